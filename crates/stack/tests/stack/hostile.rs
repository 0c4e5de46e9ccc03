//! What nobody writes on purpose: one sentence with a place each time, in bounded time and memory, and never a panic.

use std::{fmt::Write as _, path::Path, time::Instant};

use dunlin_stack::{Parameters, Stack, TemplateError};

use crate::PATH;

fn parse(bytes: &[u8]) -> Result<Stack, TemplateError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Stack::parse(Path::new(PATH), text, &Parameters::default()),
        Err(_) => {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("template.yaml");
            std::fs::write(&file, bytes).unwrap();
            Stack::load(&file, &Parameters::default())
        }
    }
}

/// Each problem is a sentence with a file, one line each, of bounded length.
fn check_told(error: &TemplateError) {
    assert!(!error.problems().is_empty(), "{error}");
    for problem in error.problems() {
        let sentence = problem.message();
        assert!(!sentence.is_empty() && sentence.chars().count() <= 401, "{sentence}");
        assert!(!sentence.contains(|c: char| c.is_control()), "{sentence:?}");
        assert!(problem.snippet().is_none_or(|snippet| snippet.lines().count() == 2), "{problem}");
        assert_eq!(problem.line().is_some(), problem.column().is_some());
    }
}

#[track_caller]
fn refused(bytes: &[u8], expected: &str) {
    let error = parse(bytes).unwrap_err();
    check_told(&error);
    let told = error.problems()[0].to_string();
    let told = told.split_once("template.yaml").unwrap().1;
    assert!(told.starts_with(expected), "{expected}\n{}", &told[..told.len().min(300)]);
}

const TABLE: &str = "{Type: 'AWS::Serverless::SimpleTable'}";

#[test]
fn files_that_are_no_templates() {
    let ten_megabytes = vec![b'#'; 10_000_000];
    refused(&ten_megabytes, ": the template is larger than 1000000 bytes; make it smaller");
    refused(b"a: 1\nb: \xff\n", ":2:4: this is not UTF-8; save the template as UTF-8");
    refused(b"\xff\xfeR\0e\0", ": the template is UTF-16; save it as UTF-8");
    refused(
        b"\0",
        ":1:1: the character U+0000 stands here, which no template may have; is this a text file?",
    );
    refused(b"a: 1\nb: x\0y", ":2:5: the character U+0000 stands here");
    refused(b"\x7fELF\x02\x01", ":1:1: the character U+007F stands here");
    refused(b"a: \x1b[31m", ":1:4: the character U+001B stands here");
    refused(b"", ": the template is empty; it needs at least a Resources section");
    refused(b"\xef\xbb\xbf", ": the template is empty");
    refused(b"\n\n  \n# nothing", ": the template is empty");
    refused(b"hello", ":1:1: the template is a text; it must be a mapping of sections");
    refused(b"[a, b]", ":1:1: the template is a list; it must be a mapping of sections");
    refused(b"{}", ":1:1: the template has no Resources; there is nothing to run");
    refused(b"Resources: {}", ":1:1: the template has no Resources; there is nothing to run");
    refused(b"Resources: []", ":1:12: Resources is a list; it must be a mapping");
    refused(b"Resources: x", ":1:12: Resources is a text; it must be a mapping");
    refused(b"Resources:\n\tA: b", ":2:1: a tab indents this line; YAML indents with spaces only");
    refused(b"a: b\n---\nc: d", ":2:1: a second YAML document starts here; a template is one document");
    refused(b"%YAML 9.9\n---\na: b", "");
    refused(b"a: 'open", ":1:4: not valid YAML: ");
    refused(b"a: b: c", ":1:5: not valid YAML: ");
    refused(b"*a", ":1:1: not valid YAML: ");
    refused(b"? [a, b]\n: c", ":1:3: a key is a list; keys are text");
    refused(b"!!python/object:os.system {}", ":1:1: the YAML type !!python/object:os.system is not part");
    // With a byte order mark it is one all the same.
    let marked = format!("\u{feff}Resources: {{T: {TABLE}}}");
    assert_eq!(parse(marked.as_bytes()).unwrap().tables.len(), 1);
    let windows = format!("Resources:\r\n  T: {TABLE}\r\n");
    assert_eq!(parse(windows.as_bytes()).unwrap().tables.len(), 1);
}

#[test]
fn bombs() {
    let started = Instant::now();
    for open in ["[", "{a: ", "- "] {
        refused(open.repeat(100_000).as_bytes(), ":1:");
    }
    // Billions of values, billions of bytes, and a chain of anchors, each in a few kilobytes.
    let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    let mut texts = format!("a0: &a0 {}\n", "x".repeat(100_000));
    for n in 0..30 {
        let ten = |name: &str| vec![format!("*{name}{n}"); 10].join(",");
        let _ = writeln!(laughs, "a{}: &a{} [{}]", n + 1, n + 1, ten("a"));
        let _ = writeln!(texts, "a{}: &a{} [{}]", n + 1, n + 1, ten("a"));
    }
    refused(laughs.as_bytes(), ":6:18: the template has more than 500000 values, aliases included");
    refused(texts.as_bytes(), ":3:");
    refused(b"Resources: &r {A: *r}", ":1:19: an alias stands inside the value that it names");
    refused(b"a: &x {b: 1}\nc: {<<: *x}", ":2:5: CloudFormation does not merge mappings with <<");
    // Seconds would do; without bounds it would be hours.
    assert!(started.elapsed().as_secs() < 120);
}

#[test]
fn values_that_grow() {
    let mut text = "Transform: AWS::LanguageExtensions\nResources:\n".to_owned();
    // Loops in loops in loops make 20 to the power of five.
    let list = (0..20).map(|n| format!("x{n}")).collect::<Vec<_>>().join(",");
    let mut body = format!("{{'T${{A}}${{B}}${{C}}${{D}}${{E}}': {TABLE}}}");
    for name in ["E", "D", "C", "B", "A"] {
        body = format!(
            "{{'Fn::ForEach::L{name}{}': [{name}, [{list}], {body}]}}",
            if name == "A" { "" } else { "${A}" }
        );
    }
    let _ = writeln!(text, "  {}", &body[1..body.len() - 1]);
    let error = parse(text.as_bytes()).unwrap_err();
    check_told(&error);

    // A list of 2,000 items, asked for 20,000 times.
    let mut text = format!(
        "Parameters: {{L: {{Type: CommaDelimitedList, Default: '{}'}}}}\nResources:\n  T:\n    Type: \
         AWS::Serverless::SimpleTable\n    Properties:\n      Tags:\n",
        "x,".repeat(2_000)
    );
    for n in 0..20_000 {
        let _ = writeln!(text, "        t{n}: !Ref L");
    }
    refused(text.as_bytes(), ":");
    let error = parse(text.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("values grow past 67108864 bytes in all here"), "{error}");
}

#[test]
fn wrong_types_everywhere() {
    let good = "
Transform: AWS::Serverless-2016-10-31
Parameters: {P: {Type: String, Default: p}}
Mappings: {M: {a: {b: c}}}
Conditions: {C: !Equals [a, a]}
Globals: {Function: {Runtime: provided.al2023, Environment: {Variables: {A: b}}}}
Resources:
  Api: {Type: 'AWS::ApiGatewayV2::Api', Properties: {Name: n, ProtocolType: WEBSOCKET, RouteSelectionExpression: x}}
  Stage: {Type: 'AWS::ApiGatewayV2::Stage', Properties: {ApiId: !Ref Api, StageName: s, AutoDeploy: true, StageVariables: {a: b}}}
  Route: {Type: 'AWS::ApiGatewayV2::Route', Properties: {ApiId: !Ref Api, RouteKey: r, Target: !Sub 'integrations/${Int}'}}
  Int:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      TimeoutInMillis: 100
      IntegrationUri: !Sub 'arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${F.Arn}/invocations'
  Response: {Type: 'AWS::ApiGatewayV2::RouteResponse', Properties: {ApiId: !Ref Api, RouteId: !Ref Route, RouteResponseKey: $default}}
  F:
    Type: AWS::Serverless::Function
    Condition: C
    DependsOn: [T]
    Properties:
      CodeUri: f
      Timeout: 3
      MemorySize: 128
      ReservedConcurrentExecutions: 1
      Events: {E: {Type: IoTRule, Properties: {Sql: s}}}
      EventInvokeConfig: {MaximumRetryAttempts: 1, DestinationConfig: {OnFailure: {Type: SQS}}}
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Q.Arn}
      LoggingConfig: {LogFormat: JSON}
  Perm: {Type: 'AWS::Lambda::Permission', Properties: {FunctionName: !Ref F, Action: 'lambda:*', Principal: p}}
  T:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: k, AttributeType: S}]
      KeySchema: [{AttributeName: k, KeyType: HASH}]
      TimeToLiveSpecification: {Enabled: true, AttributeName: t}
  S: {Type: 'AWS::Serverless::SimpleTable', Properties: {PrimaryKey: {Name: k, Type: String}}}
  Rule: {Type: 'AWS::IoT::TopicRule', Properties: {TopicRulePayload: {Sql: s, Actions: [{Sqs: {QueueUrl: !Ref Q}}]}}}
  Q: {Type: 'AWS::SQS::Queue', Properties: {QueueName: q}}
  W: {Type: 'AWS::Serverless::WebSocketApi', Properties: {RouteSelectionExpression: x, Routes: {a: {FunctionArn: !GetAtt F.Arn}}}}
Outputs: {O: {Value: !FindInMap [M, a, b], Condition: C}}
";
    let stack = parse(good.as_bytes()).unwrap();
    assert_eq!((stack.apis.len(), stack.rules.len(), stack.tables.len()), (2, 2, 2));
    // Every value in turn becomes something else. It is refused, or harmless; it never ends otherwise.
    let values: Vec<_> = good
        .match_indices(": ")
        .map(|(at, _)| at + 2)
        .filter(|at| !good[*at..].starts_with(['{', '[', '\n']))
        .collect();
    assert!(values.len() > 60, "{}", values.len());
    let mut told = 0;
    for at in values {
        let end = at + good[at..].find([',', '}', '\n']).unwrap();
        for other in [
            "[a]",
            "{a: b}",
            "''",
            "-1",
            "1e999",
            "99999999999999999999999999",
            "!Ref AWS::NoValue",
            "!Ref Gone",
            "~",
        ] {
            let changed = format!("{}{other}{}", &good[..at], &good[end..]);
            if let Err(error) = parse(changed.as_bytes()) {
                told += 1;
                check_told(&error);
            }
        }
    }
    assert!(told > 400, "{told}");
}

/// Changes two real templates at random places, always the same ones.
#[test]
fn changed_anywhere() {
    const CHANGES: &[u8] = b"\t\n :-!&*#[]{},'\"|>%@`?~$\\0aA\0\xc3\xff";
    const PIECES: [&str; 12] = [
        "!Ref ",
        "!GetAtt ",
        "!Sub ",
        "&a ",
        "*a",
        "<<: ",
        "{Ref: Api}",
        "Fn::If: ",
        "- ",
        "null",
        "AWS::NoValue",
        "${Api}",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for file in ["../../infra/template.yaml", "../../examples/echo/template.yaml"] {
        let text = std::fs::read(file).unwrap();
        let mut refused = 0;
        for _ in 0..250 {
            let mut bytes = text.clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                match random(5) {
                    0 => bytes[at] = CHANGES[random(CHANGES.len())],
                    1 => bytes.insert(at, CHANGES[random(CHANGES.len())]),
                    2 => drop(bytes.splice(at..at, PIECES[random(PIECES.len())].bytes())),
                    3 => drop(bytes.drain(at..(at + 1 + random(40)).min(bytes.len()))),
                    // A stretch of it once more, elsewhere.
                    _ => {
                        let piece = bytes[at..(at + random(200)).min(bytes.len())].to_vec();
                        let to = random(bytes.len());
                        drop(bytes.splice(to..to, piece));
                    }
                }
            }
            if let Err(error) = parse(&bytes) {
                refused += 1;
                check_told(&error);
            }
        }
        assert!(refused > 100, "{file}: {refused}");
    }
}

/// A file that is cut off anywhere is a sentence or a smaller stack.
#[test]
fn cut_off_anywhere() {
    let text = std::fs::read("../../infra/template.yaml").unwrap();
    let mut refused = 0;
    for end in (0..text.len()).step_by(text.len() / 250) {
        if let Err(error) = parse(&text[..end]) {
            refused += 1;
            check_told(&error);
        }
    }
    assert!(refused > 100, "{refused}");
}
