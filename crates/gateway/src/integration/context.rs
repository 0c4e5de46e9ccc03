use std::{fmt, sync::OnceLock};

use serde_json::{Map, Value};

use crate::velocity::{self, Kept};

/// `requestContext` as mappings see it, with what templates have put there. Made only if one looks.
#[derive(Default)]
pub(crate) struct Context {
    make: Option<Box<Make>>,
    /// Every name that the made one may have.
    names: &'static [&'static str],
    made: OnceLock<Value>,
    /// What templates have put there.
    changes: Map<String, Value>,
    whole: OnceLock<Value>,
}

type Make = dyn Fn() -> Value + Send + Sync;

impl Context {
    /// A context that is there.
    pub(crate) fn made(value: Value) -> Self {
        Context { made: OnceLock::from(value), ..Context::default() }
    }

    /// A context that is made when one of `names` is asked for.
    pub(crate) fn later(
        names: &'static [&'static str],
        make: impl Fn() -> Value + Send + Sync + 'static,
    ) -> Self {
        Context { make: Some(Box::new(make)), names, ..Context::default() }
    }

    fn base(&self) -> &Value {
        self.made.get_or_init(|| self.make.as_ref().map(|make| make()).unwrap_or_default())
    }

    /// The value at the end of these names.
    pub(super) fn at(&self, path: &str) -> Option<&Value> {
        let mut names = path.split('.');
        let first = velocity::Context::get(self, names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    }

    /// Keeps what a template left there.
    pub(super) fn keep(&mut self, kept: Kept) {
        self.whole = OnceLock::new();
        match kept {
            Kept::Changes(changes) => self.changes.extend(changes),
            Kept::Whole(value) => *self = Context::made(value),
        }
    }
}

impl velocity::Context for Context {
    fn get(&self, name: &str) -> Option<&Value> {
        if let Some(changed) = self.changes.get(name) {
            return Some(changed);
        }
        // What is not there is not worth making the rest.
        let may_be = self.made.get().is_some() || self.names.contains(&name);
        if may_be { self.base().get(name) } else { None }
    }

    fn whole(&self) -> &Value {
        if self.changes.is_empty() {
            return self.base();
        }
        self.whole.get_or_init(|| {
            let mut whole = self.base().as_object().cloned().unwrap_or_default();
            whole.extend(self.changes.clone());
            Value::Object(whole)
        })
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("made", &self.made)
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use serde_json::json;

    use super::*;
    use crate::velocity::{Inputs, Template};

    #[test]
    fn it_is_made_once_and_only_if_asked_for() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let mut context = Context::later(&["id", "stage"], move || {
            counted.fetch_add(1, Relaxed);
            json!({ "id": "a", "stage": "dev" })
        });
        let mut render = |template: &str, times: usize| {
            let template = Template::parse(template).unwrap();
            let inputs = Inputs { body: "said", context: &context, ..Inputs::default() };
            let (text, kept) = template.render_keeping_context(&inputs).unwrap();
            context.keep(kept);
            assert_eq!(made.load(Relaxed), times, "{text}");
            text
        };
        assert_eq!(render("#set($context.message = $input.body)$context.message.length()", 0), "4");
        assert_eq!(render("$context.message [$context.nothing]", 0), "said []");
        assert_eq!(render("$context.id", 1), "a");
        assert_eq!(render("$context", 1), "{id=a, message=said, stage=dev}");
        assert_eq!(render("#set($context.id = 'b')$context.id $context.stage", 1), "b dev");
        assert_eq!(render("$context", 1), "{id=b, message=said, stage=dev}");
        assert_eq!(render("#set($x = $context)#set($x.late = 1)$context.late", 1), "1");
        assert_eq!(render("$context.late $context.keySet()", 1), r#"1 ["id","late","message","stage"]"#);
        assert_eq!(render("#set($context = 'gone')$context", 1), "gone");
        assert_eq!(render("$context [$context.id]", 1), "gone []");
    }

    #[test]
    fn the_names_of_a_message_are_all() {
        use crate::event::MESSAGE_CONTEXT;
        // As the service's own messages have them, of which none is missing here.
        let sample = include_str!("../../../events/tests/samples/message.json");
        let sample: Value = serde_json::from_str(sample).unwrap();
        for name in sample["requestContext"].as_object().unwrap().keys() {
            assert!(MESSAGE_CONTEXT.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn what_is_within_it_can_change() {
        let mut context = Context::made(json!({ "identity": { "ip": "::1" }, "list": [1] }));
        let mut render = |template: &str| {
            let inputs = Inputs { context: &context, ..Inputs::default() };
            let rendered = Template::parse(template).unwrap().render_keeping_context(&inputs);
            let (text, kept) = rendered.unwrap();
            context.keep(kept);
            text
        };
        assert_eq!(render("#set($context.identity.name = 'n')$context.identity"), "{ip=::1, name=n}");
        assert_eq!(render("$context.identity.name #set($x = $context.list.add(2))"), "n ");
        assert_eq!(render("$context.list"), "[1,2]");
    }
}
