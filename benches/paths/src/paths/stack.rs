use std::path::Path;

use dunlin_bench_data::template;
use dunlin_events::limits::ROUTES_MAX;
use dunlin_stack::{Parameters, Stack};

use crate::path::Workload;

/// A template of 300 routes, read into the stack that it describes.
pub(super) fn parse() -> Box<dyn Workload> {
    let text = template(ROUTES_MAX);
    let parameters = Parameters::default();
    Box::new(move || {
        let stack =
            Stack::parse(Path::new("template.yaml"), &text, &parameters).expect("the template is good");
        assert_eq!(stack.apis[0].routes.len(), ROUTES_MAX);
    })
}
