//! Mapping templates: a template, and below it a message.

use dunlin_events::limits::INVOKE_PAYLOAD_BYTES_MAX;
use dunlin_gateway::velocity::{Inputs, Template};

use super::parts;
use crate::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "velocity",
    run,
    words: &[
        b"#set($x = ",
        b"#if(",
        b"#elseif(",
        b"#else",
        b"#end",
        b"#foreach($i in ",
        b"#break",
        b"#stop",
        b"#**#",
        b"## ",
        b"#[[",
        b"]]#",
        b"$input.body",
        b"$input.json('$')",
        b"$input.path('$.a')",
        b"$input.params('x')",
        b"$context.connectionId",
        b"$context.",
        b"$stageVariables.a",
        b"$util.escapeJavaScript(",
        b"$util.parseJson(",
        b"$util.base64Encode(",
        b"$util.urlDecode(",
        b"$!x",
        b"${x}",
        b"$x",
        b".size()",
        b".get(0)",
        b".put('k', ",
        b".add(",
        b".replaceAll('",
        b".split('",
        b".substring(1)",
        b".keySet()",
        b"[0]",
        b"[1..9]",
        b" && ",
        b" == ",
        b"!",
        b")",
        b"(",
        b"\"",
        b"'",
        b"\n---\n",
        b"{\"a\": [1, 2.5, \"x\", null]}",
        b"\\$",
        b"foreach.count",
        b"9223372036854775807",
        b" % 0",
        b" / 0",
        b"\xc3\xa4",
    ],
    input_bytes_max: 2_048,
};

fn run(bytes: &[u8]) {
    let [source, body] = parts(bytes);
    let template = match Template::parse(&source) {
        Ok(template) => template,
        Err(error) => {
            assert!(source.get(..error.at).is_some(), "{error:?} in {source:?}");
            let (line, column) = error.place(&source);
            assert!(line >= 1 && column >= 1 && line <= source.matches('\n').count() + 1);
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let context =
        serde_json::json!({"connectionId": "Zk3pQdXMDoECEeg=", "identity": {"sourceIp": "192.0.2.1"}});
    let pairs = [("x".to_owned(), "1".to_owned()), ("a".to_owned(), "ä".to_owned())];
    let inputs =
        Inputs { body: &body, query: &pairs, headers: &pairs, context: &context, stage_variables: &pairs };
    let rendered = template.render(&inputs);
    assert_eq!(rendered, template.render(&inputs), "the same inputs give the same result");
    if let Ok(text) = &rendered {
        assert!(text.len() <= INVOKE_PAYLOAD_BYTES_MAX, "{}", text.len());
        if !source.contains(['$', '#', '\\']) {
            assert_eq!(*text, source, "plain text stands for itself");
        }
    }
}
