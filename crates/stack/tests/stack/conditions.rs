use std::path::Path;

use dunlin_stack::{Parameters, Stack};

use crate::{PATH, parse, refusal, refusals};

/// A template with one function that is there if the condition `Test` holds.
fn template(expression: &str) -> String {
    format!(
        "
Parameters:
  Stage: {{Type: String, Default: dev}}
  Names: {{Type: CommaDelimitedList, Default: 'a,b'}}
Mappings:
  Stages: {{dev: {{alarms: 'no'}}}}
Conditions:
  Yes: !Equals [a, a]
  No: !Not [!Condition Yes]
  Test: {expression}
Resources:
  Always: {{Type: 'AWS::Serverless::SimpleTable'}}
  Tested:
    Type: AWS::Serverless::SimpleTable
    Condition: Test
Outputs:
  Name:
    Condition: Test
    Value: !Ref Tested
"
    )
}

fn holds(expression: &str) -> bool {
    let stack = parse(&template(expression));
    assert_eq!(stack.outputs.len(), stack.tables.len() - 1);
    stack.tables.len() == 2
}

#[test]
fn expressions() {
    for (expression, expected) in [
        ("!Equals [!Ref Stage, dev]", true),
        ("!Equals [!Ref Stage, prod]", false),
        ("!Equals [!Ref Names, [a, b]]", true),
        ("!Equals [!Ref Names, [a]]", false),
        ("!Equals [!FindInMap [Stages, !Ref Stage, alarms], 'yes']", false),
        ("!Equals [!Ref AWS::Region, us-east-1]", true),
        ("!Equals [{a: 1}, {a: 1}]", true),
        ("!Condition Yes", true),
        ("{Condition: No}", false),
        ("!Not [!Equals [a, b]]", true),
        ("!And [!Condition Yes, !Condition Yes, !Condition No]", false),
        ("!And [!Condition Yes, !Equals [1, '1']]", true),
        ("!Or [!Condition No, !Condition Yes]", true),
        ("!Or [!Condition No, !Condition No]", false),
        ("{'Fn::Not': [{'Fn::Or': [{Condition: No}, {Condition: Yes}]}]}", false),
    ] {
        assert_eq!(holds(expression), expected, "{expression}");
    }
}

#[test]
fn what_is_no_condition_is_told_once_with_its_line() {
    let usage = "10: a condition is one of Fn::Equals, Fn::And, Fn::Or, Fn::Not, or Condition with the name of another";
    for (expression, expected) in [
        ("yes", usage),
        ("[a]", usage),
        ("{a: b, c: d}", usage),
        ("!Ref Stage", usage),
        ("!If [Yes, !Condition Yes, !Condition No]", usage),
        ("!Equals [a]", "10: Fn::Equals takes a list of 2 values"),
        ("!Equals a", "10: Fn::Equals takes a list of 2 values"),
        ("!Not [!Condition Yes, !Condition No]", "10: Fn::Not takes a list of 1 values"),
        ("!And [!Condition Yes]", "10: Fn::And takes a list of 2 to 10 values"),
        ("!Condition Gone", "10: there is no condition Gone in the section Conditions"),
        ("!Condition Test", "10: the condition Test refers to itself, perhaps by way of others"),
        ("!Equals [!Ref Always, a]", "10: Always is neither a resource nor a parameter"),
        ("!Equals [!GetAtt Always.Arn, a]", "10: Always is neither a resource nor a parameter"),
        ("!Equals [!Ref Gone, a]", "10: Gone is neither a resource nor a parameter"),
    ] {
        assert_eq!(refusal(&template(expression)), expected, "{expression}");
    }
}

#[test]
fn long_chains_of_conditions_are_bounded() {
    let chain = |length: usize| {
        let mut text = "Conditions:\n  C0: !Equals [a, a]\n".to_owned();
        for n in 1..length {
            text.push_str(&format!("  C{n}: !Condition C{}\n", n - 1));
        }
        text + "Resources:\n  T: {Type: 'AWS::Serverless::SimpleTable'}\n"
    };
    // In their order they are short.
    assert_eq!(parse(&chain(5_000)).tables.len(), 1);
    let circle = "Conditions:\n  A: !Condition B\n  B: !Condition C\n  C: !Condition A\nResources:\n  T: {Type: \
                  'AWS::Serverless::SimpleTable'}\n";
    assert_eq!(refusal(circle), "4: the condition A refers to itself, perhaps by way of others");
    let mut backwards = "Conditions:\n".to_owned();
    for n in 0..5_000 {
        backwards.push_str(&format!("  C{n}: !Condition C{}\n", n + 1));
    }
    backwards.push_str("  C5000: !Equals [a, a]\nResources:\n  T: {Type: 'AWS::Serverless::SimpleTable'}\n");
    assert_eq!(
        refusals(&backwards)[0],
        "65: more than 64 conditions refer to one another in a row; use fewer"
    );
}

/// What a condition leaves out is not there for others either; `DependsOn` does not mind, as on the service.
#[test]
fn references_to_what_is_left_out() {
    let with = |line: &str| {
        format!(
            "
Conditions: {{No: !Equals [a, b]}}
Resources:
  Gone: {{Type: 'AWS::Serverless::SimpleTable', Condition: No}}
  There:
    Type: AWS::Serverless::SimpleTable
    {line}
"
        )
    };
    assert_eq!(
        refusal(&with("Properties: {TableName: !Ref Gone}")),
        "7: There refers to Gone, which is left out by its Condition"
    );
    assert_eq!(parse(&with("DependsOn: Gone")).tables.len(), 1);
    assert_eq!(parse(&with("Properties: {TableName: !If [No, !Ref Gone, other]}")).tables[0].name, "other");
    assert_eq!(
        refusal(&with("Condition: Other")),
        "7: there is no condition Other in the section Conditions"
    );
    assert_eq!(
        refusal(&with("Condition: [No]")),
        "7: Condition of There is a list; it must be a condition's name"
    );
}

#[test]
fn a_parameter_chooses_between_two_stacks() {
    let text = "
Parameters: {Stage: {Type: String, Default: dev, AllowedValues: [dev, prod]}}
Conditions: {IsProd: !Equals [!Ref Stage, prod]}
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Runtime: provided.al2023
      MemorySize: !If [IsProd, 1024, 256]
      ReservedConcurrentExecutions: !If [IsProd, 100, !Ref AWS::NoValue]
      Environment:
        Variables: !If [IsProd, {LEVEL: warn}, {LEVEL: debug, TRACE: 'on'}]
";
    let of = |stage: &str| {
        let values = [("Stage".to_owned(), stage.to_owned())].into();
        let parameters = Parameters { values, ..Parameters::default() };
        let stack = Stack::parse(Path::new(PATH), text, &parameters).unwrap();
        let function = stack.functions.into_iter().next().unwrap();
        (function.memory_mb, function.reserved_concurrency, function.environment.len())
    };
    assert_eq!(of("dev"), (256, None, 2));
    assert_eq!(of("prod"), (1024, Some(100), 1));
}
