//! References between resources: each must lead somewhere, and none may lead back. That gives an order in which every
//! resource comes after those it refers to.

use std::collections::{HashMap, HashSet};

use crate::{
    error::{Fault, Outcome},
    intrinsics, resources,
    template::{Resource, Template},
};

/// An edge: who is meant, and on which line.
type Edge<'t> = (&'t str, usize);

/// Checks every reference of the template's resources, and returns their logical ids in order of evaluation.
pub(crate) fn check(template: &Template) -> Outcome<Vec<&str>> {
    let known: HashSet<&str> =
        template.resources.iter().map(|resource| resource.logical_id.as_str()).collect();
    let mut edges: HashMap<&str, Vec<Edge<'_>>> = HashMap::new();
    for resource in &template.resources {
        edges.insert(&resource.logical_id, edges_of(resource, template, &known)?);
    }
    let mut done = Done::default();
    for resource in &template.resources {
        walk(&resource.logical_id, &edges, &mut done)?;
    }
    Ok(done.order)
}

/// Resources whose references have all been followed.
#[derive(Default)]
struct Done<'t> {
    order: Vec<&'t str>,
    set: HashSet<&'t str>,
}

fn edges_of<'t>(
    resource: &'t Resource,
    template: &'t Template,
    known: &HashSet<&str>,
) -> Outcome<Vec<Edge<'t>>> {
    let mut edges = Vec::new();
    let mut lost = None;
    intrinsics::references(&resource.properties, &mut |name, line| {
        if known.contains(name) {
            edges.push((name, line));
        } else if !name.starts_with("AWS::") && !template.parameters.contains_key(name) && lost.is_none() {
            lost = Some((name, line));
        }
    });
    for (name, line) in &resource.depends_on {
        if known.contains(name.as_str()) {
            edges.push((name, *line));
        } else if lost.is_none() {
            lost = Some((name, *line));
        }
    }
    match lost {
        // SAM and other macros add resources of their own, to which only resources that are left out here refer.
        Some((name, line)) if resources::is_interpreted(&resource.type_name) => {
            let owner = &resource.logical_id;
            Err(Fault::at(
                line,
                format!("{owner} refers to {name}, which is neither a resource nor a parameter"),
            ))
        }
        _ => Ok(edges),
    }
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
        let Some((target, line)) = edge else {
            done.set.insert(node);
            done.order.push(node);
            path.pop();
            continue;
        };
        if let Some(from) = path.iter().position(|(on_path, _)| *on_path == target) {
            let mut names: Vec<_> = path[from..].iter().map(|(name, _)| *name).collect();
            names.push(target);
            let message = format!("resources refer to each other in a circle: {}", names.join(" → "));
            return Err(Fault::at(line, message));
        }
        if !done.set.contains(target) {
            path.push((target, 0));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::{node, notes::Notes};

    fn checked(text: &str) -> Result<(), String> {
        let root = node::parse(text).unwrap();
        let template = Template::read(&root, &[].into(), &mut Notes::default()).unwrap();
        match check(&template) {
            Ok(_) => Ok(()),
            Err(fault) => Err(format!("{}: {}", fault.line.unwrap(), fault.message)),
        }
    }

    #[test]
    fn circles_are_named_with_the_line_that_closes_them() {
        let table = |name: &str, to: &str| {
            format!("  {name}:\n    Type: AWS::DynamoDB::Table\n    Properties: {{TableName: {to}}}\n")
        };
        let circle = [
            "Resources:\n",
            &table("A", "!Ref B"),
            &table("B", "!Sub '${C.Arn}'"),
            &table("C", "!GetAtt A.Arn"),
        ];
        assert_eq!(
            checked(&circle.concat()).unwrap_err(),
            "10: resources refer to each other in a circle: A → B → C → A"
        );
        let own = ["Resources:\n", &table("A", "!Ref A")].concat();
        assert_eq!(checked(&own).unwrap_err(), "4: resources refer to each other in a circle: A → A");
        let diamond =
            ["Resources:\n", &table("A", "!Sub '${B}${C}'"), &table("B", "!Ref D"), &table("C", "!Ref D")]
                .concat();
        assert_eq!(checked(&[diamond.as_str(), &table("D", "d")].concat()), Ok(()));
    }

    #[test]
    fn depends_on_counts() {
        let text = "
Resources:
  A: {Type: 'AWS::DynamoDB::Table', DependsOn: B}
  B: {Type: 'AWS::SQS::Queue', DependsOn: [C, A]}
  C: {Type: 'AWS::SQS::Queue'}
";
        assert_eq!(checked(text).unwrap_err(), "4: resources refer to each other in a circle: A → B → A");
    }

    #[test]
    fn a_lost_reference_matters_where_it_is_read() {
        let text =
            |kind: &str| format!("Resources:\n  A:\n    Type: {kind}\n    Properties:\n      X: !Ref Gone\n");
        let message = "5: A refers to Gone, which is neither a resource nor a parameter";
        assert_eq!(checked(&text("AWS::DynamoDB::Table")).unwrap_err(), message);
        assert_eq!(checked(&text("AWS::SQS::Queue")), Ok(()));
    }

    #[test]
    fn long_chains_do_not_recurse() {
        let mut text = "Resources:\n".to_owned();
        for n in 0..499 {
            let _ = writeln!(
                text,
                "  R{n}: {{Type: 'AWS::DynamoDB::Table', Properties: {{X: !Ref R{}}}}}",
                n + 1
            );
        }
        text.push_str("  R499: {Type: 'AWS::DynamoDB::Table'}\n");
        assert_eq!(checked(&text), Ok(()));
    }
}
