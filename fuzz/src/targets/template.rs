//! Templates of stacks: each is a stack, or gets sentences that each have a place.

use std::path::Path;

use dunlin_stack::{Parameters, Stack};

use crate::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "template",
    run,
    words: &[
        b"Resources:\n",
        b"Parameters:\n",
        b"Conditions:\n",
        b"Mappings:\n",
        b"Outputs:\n",
        b"Globals:\n",
        b"Transform: AWS::Serverless-2016-10-31\n",
        b"  A:\n",
        b"    Type: AWS::ApiGatewayV2::Api\n",
        b"    Type: AWS::Serverless::Function\n",
        b"    Properties:\n",
        b"      ProtocolType: WEBSOCKET\n",
        b"      Name: x\n",
        b"      RouteSelectionExpression: $request.body.action\n",
        b"!Ref A",
        b"!Sub '${A}'",
        b"!GetAtt A.Arn",
        b"!If [c, a, b]",
        b"!Join ['', [a, b]]",
        b"Fn::ForEach::L: [x, [a, b], {",
        b"!FindInMap [a, b, c]",
        b"!Split [',', a]",
        b"!Select [0, ",
        b"!Cidr [10.0.0.0/8, 2, 8]",
        b"AWS::NoValue",
        b"&a ",
        b"*a",
        b"<<: ",
        b": ",
        b"- ",
        b"|\n",
        b"\"",
        b"'",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\t",
        b"\n",
        b"---\n",
        b"!!int ",
        b"%YAML 1.1\n",
        b"\xef\xbb\xbf",
        b"\xc2\x85",
        b"DependsOn: A\n",
        b"Condition: c\n",
        b"~",
        b"yes",
        b"0o7",
        b"1e9",
    ],
    input_bytes_max: 4_096,
};

/// Characters of a sentence about a template.
const SENTENCE_CHARS_MAX: usize = 401;

fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Err(error) = Stack::parse(Path::new("/nowhere/template.yaml"), &text, &Parameters::default()) else {
        return;
    };
    assert!(!error.problems().is_empty(), "{error}");
    // In YAML a carriage return ends a line too. What is missing at the end is missing in the line after it.
    let lines = text.matches(['\n', '\r']).count() + 2;
    for problem in error.problems() {
        let sentence = problem.message();
        assert!(!sentence.is_empty() && sentence.chars().count() <= SENTENCE_CHARS_MAX, "{sentence}");
        assert!(!sentence.contains(|c: char| c.is_control()), "{sentence:?}");
        assert!(problem.snippet().is_none_or(|snippet| snippet.lines().count() == 2), "{problem}");
        assert_eq!(problem.line().is_some(), problem.column().is_some());
        assert!(problem.line().is_none_or(|line| line >= 1 && line <= lines), "{problem}");
    }
}
