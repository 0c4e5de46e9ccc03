//! References between resources: each must lead somewhere, and none may lead back. That gives an order in which every
//! resource comes after those it refers to.

use std::collections::{HashMap, HashSet};

use crate::{
    error::{Fault, Outcome},
    intrinsics::{self, Scope},
    node::Node,
    resources,
    source::Span,
    template::Declared,
};

/// An edge: who is meant, and where.
type Edge<'t> = (&'t str, Span);

/// Resources in order of evaluation.
#[derive(Debug)]
pub(crate) struct Order<'t> {
    pub(crate) ids: Vec<&'t str>,
    /// Those that refer to what is not there.
    pub(crate) lost: HashSet<&'t str>,
}

/// Checks every reference of `resources`.
pub(crate) fn order<'t>(resources: &'t [Declared], scope: &Scope<'_>) -> Outcome<Order<'t>> {
    let mut edges: HashMap<&str, Vec<Edge<'_>>> = HashMap::new();
    let mut lost = HashSet::new();
    for resource in resources {
        let (own, complete) = edges_of(resource, scope);
        if !complete {
            lost.insert(resource.logical_id.as_str());
        }
        edges.insert(&resource.logical_id, own);
    }
    let mut done = Done::default();
    for resource in resources {
        walk(&resource.logical_id, &edges, &mut done)?;
    }
    Ok(Order { ids: done.order, lost })
}

/// Resources whose references have all been followed.
#[derive(Default)]
struct Done<'t> {
    order: Vec<&'t str>,
    set: HashSet<&'t str>,
}

/// The edges of `resource`, and whether all of its references lead somewhere.
fn edges_of<'t>(resource: &'t Declared, scope: &Scope<'_>) -> (Vec<Edge<'t>>, bool) {
    let mut edges = Vec::new();
    let mut complete = true;
    let owner = &resource.logical_id;
    // SAM and other macros add resources of their own, to which only resources that are left out here refer.
    let strict = resources::is_interpreted(&resource.type_name);
    let fault = |name: &str, at: Span, what: &str| {
        if strict {
            scope.findings.fault(Fault::at(at, format!("{owner} refers to {name}, which {what}")));
        }
    };
    let chosen = |argument: &'t Node| scope.branch(argument).ok();
    intrinsics::references(&resource.properties, &chosen, &mut |name, at| {
        if scope.left_out.contains(name) {
            complete = false;
            fault(name, at, "is left out by its Condition");
        } else if scope.unreadable.contains(name) {
            complete = false;
        } else if scope.declared.contains(name) {
            edges.push((name, at));
        } else if !name.starts_with("AWS::") && !scope.parameters.contains_key(name) {
            complete = false;
            fault(name, at, "is neither a resource nor a parameter");
        }
    });
    for (name, at) in &resource.depends_on {
        // The service does not wait for what is not made.
        if scope.left_out.contains(name) || scope.unreadable.contains(name) {
        } else if scope.declared.contains(name) {
            edges.push((name, *at));
        } else {
            complete = false;
            fault(name, *at, "is not a resource of this template");
        }
    }
    (edges, complete)
}

/// Walks depth first from `start` with a stack of its own: a chain may be as long as there are resources.
fn walk<'t>(start: &'t str, edges: &HashMap<&'t str, Vec<Edge<'t>>>, done: &mut Done<'t>) -> Outcome<()> {
    let mut path: Vec<(&str, usize)> = Vec::new();
    if !done.set.contains(start) {
        path.push((start, 0));
    }
    while let Some((node, next)) = path.last_mut() {
        let node = *node;
        let edge = edges.get(node).and_then(|edges| edges.get(*next)).copied();
        *next += 1;
        let Some((target, at)) = edge else {
            done.set.insert(node);
            done.order.push(node);
            path.pop();
            continue;
        };
        if let Some(from) = path.iter().position(|(on_path, _)| *on_path == target) {
            let mut names: Vec<_> = path[from..].iter().map(|(name, _)| *name).collect();
            names.push(target);
            let message = format!("resources refer to each other in a circle: {}", names.join(" → "));
            return Err(Fault::at(at, message));
        }
        if !done.set.contains(target) {
            path.push((target, 0));
        }
    }
    Ok(())
}
