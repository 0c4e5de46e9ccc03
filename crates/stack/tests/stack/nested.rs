use std::{fs, path::Path};

use dunlin_stack::{Parameters, Stack};

const CHILD: &str = "
Parameters:
  Name: {Type: String}
  Tags: {Type: CommaDelimitedList, Default: a}
Resources:
  Table: {Type: 'AWS::Serverless::SimpleTable', Properties: {TableName: !Ref Name}}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code
      Runtime: provided.al2023
      Environment: {Variables: {TAGS: !Join ['+', !Ref Tags], STACK: !Ref AWS::StackName}}
Outputs:
  TableArn: {Value: !GetAtt Table.Arn}
  FunctionArn: {Value: !GetAtt Function.Arn}
Transform: AWS::Serverless-2016-10-31
";

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

fn load(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Stack, Vec<String>>) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    let loaded = Stack::load(&folder.path().join("template.yaml"), &Parameters::default());
    let problems = loaded.map_err(|error| {
        let start = format!("{}/", folder.path().display());
        error.problems().iter().map(|problem| problem.to_string().replace(&start, "")).collect()
    });
    (folder, problems)
}

#[test]
fn a_stack_in_a_stack() {
    let parent = "
Resources:
  Data:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: parts/data.yaml
      Parameters: {Name: things, Tags: [x, y]}
  Second:
    Type: AWS::Serverless::Application
    Properties: {Location: ./parts/data.yaml, Parameters: {Name: others}}
  Caller:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: caller
      Runtime: provided.al2023
      Environment:
        Variables: {ARN: !GetAtt Data.Outputs.TableArn, ID: !Ref Data}
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !GetAtt Second.Outputs.FunctionArn
      Action: lambda:InvokeFunction
      Principal: iot.amazonaws.com
Outputs:
  Table: {Value: !GetAtt Data.Outputs.TableArn}
Transform: AWS::Serverless-2016-10-31
";
    let (folder, stack) = load(&[("template.yaml", parent), ("parts/data.yaml", CHILD)]);
    let stack = stack.unwrap();
    assert_eq!(stack.notes, []);
    let tables: Vec<_> =
        stack.tables.iter().map(|table| (table.logical_id.as_str(), table.name.as_str())).collect();
    assert_eq!(tables, [("Data.Table", "things"), ("Second.Table", "others")]);
    let functions: Vec<_> = stack.functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(functions, ["dunlin-Data-Function", "dunlin-Second-Function", "dunlin-Caller"]);
    assert_eq!(stack.functions[0].code, folder.path().join("parts/code"), "paths are relative to their file");
    assert_eq!(stack.functions[0].environment["TAGS"], "x+y");
    assert_eq!(stack.functions[0].environment["STACK"], "dunlin-Data");
    let caller = stack.function("dunlin-Caller").unwrap();
    assert_eq!(caller.environment["ARN"], "arn:aws:dynamodb:us-east-1:123456789012:table/things");
    assert!(
        caller.environment["ID"]
            .starts_with("arn:aws:cloudformation:us-east-1:123456789012:stack/dunlin-Data/")
    );
    assert!(stack.may_invoke("iot.amazonaws.com", "anything", "dunlin-Second-Function"));
    assert_eq!(stack.outputs["Table"], "arn:aws:dynamodb:us-east-1:123456789012:table/things");
    assert!(stack.functions[0].at.file.ends_with("parts/data.yaml"));
}

#[test]
fn problems_name_their_own_file() {
    let nested = |properties: &str| {
        format!(
            "Resources:\n  Child:\n    Type: AWS::CloudFormation::Stack\n    Properties: {{{properties}}}\n"
        )
    };
    for (parent, child, expected) in [
        (
            nested("TemplateURL: child.yaml"),
            CHILD,
            "child.yaml:3:3: parameter Name has no Default; give it a value in Parameters of the stack around it",
        ),
        (
            nested("TemplateURL: child.yaml, Parameters: {Name: a, Gone: b}"),
            CHILD,
            "child.yaml:2:1: there is no parameter Gone; the template declares Name, Tags",
        ),
        (
            nested("TemplateURL: gone.yaml"),
            CHILD,
            "template.yaml:4:31: TemplateURL of Child names gone.yaml, which is not there",
        ),
        (
            nested("TemplateURL: 'https://s3.amazonaws.com/b/k'"),
            CHILD,
            "template.yaml:4:31: TemplateURL of Child does not lie on this machine; name a template by its path",
        ),
        (
            nested("Parameters: {Name: a}"),
            CHILD,
            "template.yaml:2:3: Child has no TemplateURL; AWS::CloudFormation::Stack needs one",
        ),
        (
            nested("TemplateURL: child.yaml, Parameters: {Name: {a: b}}"),
            CHILD,
            "template.yaml:4:62: Name of Child is a mapping; it must be a text or a list of texts",
        ),
        (nested("TemplateURL: child.yaml"), "a: [", "child.yaml:2:1: not valid YAML"),
        (nested("TemplateURL: child.yaml"), "\u{1}", "child.yaml:1:1: the character U+0001 stands here"),
        (
            nested("TemplateURL: template.yaml"),
            CHILD,
            "template.yaml:4:31: Child is a stack more than 5 deep in others; does it hold itself?",
        ),
        (
            nested("TemplateURL: child.yaml, Parameters: {Name: a}")
                + "  T: {Type: 'AWS::Serverless::SimpleTable', Properties: {TableName: !GetAtt Child.Outputs.Gone}}\n",
            CHILD,
            "template.yaml:5:69: the nested stack Child has no output Gone",
        ),
    ] {
        let (_folder, loaded) = load(&[("template.yaml", &parent), ("child.yaml", child)]);
        let problems = loaded.unwrap_err();
        assert!(problems[0].starts_with(expected), "{expected}\n{problems:#?}");
    }
}

/// Each of 64 stacks could hold 500 more.
#[test]
fn a_tree_of_stacks_is_bounded() {
    let many = |file: &str| {
        let child = |n: usize| {
            format!("  S{n}: {{Type: 'AWS::CloudFormation::Stack', Properties: {{TemplateURL: {file}}}}}\n")
        };
        format!("Resources:\n{}", (0..40).map(child).collect::<String>())
    };
    let (_folder, loaded) = load(&[
        ("template.yaml", &many("a.yaml")),
        ("a.yaml", &many("b.yaml")),
        ("b.yaml", "Resources: {T: {Type: 'AWS::Serverless::SimpleTable'}}"),
    ]);
    let problems = loaded.unwrap_err();
    assert!(problems[0].contains("more than 64 templates make up this stack; use fewer"), "{problems:#?}");
}
