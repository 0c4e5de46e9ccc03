use sqlparser::{
    ast::{
        BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
        ObjectName, Query, Select, SelectItem, SetExpr, Statement as SqlStatement, TableFactor,
        TableWithJoins, UnaryOperator, Value,
    },
    dialect::GenericDialect,
    parser::Parser,
    tokenizer::{Token, Tokenizer},
};

use super::{
    Item, SqlError, Statement, TopicFilter,
    expression::{Comparison, Expression},
    json,
};

/// Bytes of one statement: ours, far above any rule; it keeps parsing short.
pub const SQL_BYTES_MAX: usize = 8 * 1024;

/// How deep an expression may nest, chains of `AND` included: ours. It bounds every recursion over an expression.
const EXPRESSION_DEPTH_MAX: usize = 64;

/// Characters of an expression that a message quotes.
const QUOTED_CHARS_MAX: usize = 60;

pub(super) fn statement(sql: &str) -> Result<Statement, SqlError> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(SqlError::new(format!("the statement has more than {SQL_BYTES_MAX} bytes")));
    }
    refuse_select_value(sql)?;
    let statements = Parser::parse_sql(&GenericDialect {}, sql)
        .map_err(|error| SqlError::new(format!("not valid SQL: {error}")))?;
    let [SqlStatement::Query(query)] = statements.as_slice() else {
        return Err(SqlError::new("a rule is one SELECT statement"));
    };
    let select = select_of(query)?;
    let filter = filter_of(&select.from)?;
    let mut all = false;
    let mut items = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::Wildcard(options) if options.to_string().is_empty() => all = true,
            SelectItem::UnnamedExpr(expr) => {
                let value = expression(expr, 0)?;
                let Expression::Path(keys) = &value else {
                    let text = quoted(expr);
                    return Err(SqlError::new(format!("{text} needs a name; write {text} AS name")));
                };
                items.push(Item { name: keys.last().cloned().unwrap_or_default(), value });
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                items.push(Item { name: alias.value.clone(), value: expression(expr, 0)? });
            }
            other => return Err(unsupported(other)),
        }
    }
    let condition = select.selection.as_ref().map(|condition| expression(condition, 0)).transpose()?;
    Ok(Statement { filter, all, items, condition })
}

/// `SELECT VALUE x` means the bare value, but reads as the key `VALUE` under the name `x` to a general SQL parser.
fn refuse_select_value(sql: &str) -> Result<(), SqlError> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        .tokenize()
        .map_err(|error| SqlError::new(format!("not valid SQL: {error}")))?;
    let mut tokens = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_)));
    let word = |token: Option<&Token>, wanted: &str| matches!(token, Some(Token::Word(word)) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted));
    let (first, second, third) = (tokens.next(), tokens.next(), tokens.next());
    let is_key = third.is_none()
        || matches!(third, Some(Token::Comma | Token::Period))
        || word(third, "as")
        || word(third, "from");
    if word(first, "select") && word(second, "value") && !is_key {
        return Err(SqlError::new("SELECT VALUE is not supported yet; name the items of the event"));
    }
    Ok(())
}

fn select_of(query: &Query) -> Result<&Select, SqlError> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Err(SqlError::new("a rule is one SELECT statement"));
    };
    let grouped =
        !matches!(&select.group_by, GroupByExpr::Expressions(by, with) if by.is_empty() && with.is_empty());
    for (present, name) in [
        (query.with.is_some(), "WITH"),
        (query.order_by.is_some(), "ORDER BY"),
        (query.limit_clause.is_some() || query.fetch.is_some(), "LIMIT"),
        (!query.locks.is_empty() || query.for_clause.is_some(), "FOR"),
        (query.settings.is_some(), "SETTINGS"),
        (query.format_clause.is_some(), "FORMAT"),
        (!query.pipe_operators.is_empty(), "|>"),
        (select.distinct.is_some(), "DISTINCT"),
        (select.top.is_some(), "TOP"),
        (select.select_modifiers.is_some(), "a SELECT modifier"),
        (select.exclude.is_some(), "EXCLUDE"),
        (select.into.is_some(), "INTO"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (grouped, "GROUP BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (select.having.is_some(), "HAVING"),
        (!select.named_window.is_empty(), "WINDOW"),
        (select.qualify.is_some(), "QUALIFY"),
        (select.value_table_mode.is_some(), "SELECT AS"),
    ] {
        if present {
            return Err(SqlError::new(format!("{name} is not supported; a rule has SELECT, FROM and WHERE")));
        }
    }
    Ok(select)
}

fn filter_of(from: &[TableWithJoins]) -> Result<TopicFilter, SqlError> {
    const USAGE: &str = "a rule reads FROM one topic filter in quotes, such as FROM 'devices/+/state'";
    let [TableWithJoins { relation: TableFactor::Table { name, alias: None, args: None, .. }, joins }] = from
    else {
        return Err(SqlError::new(USAGE));
    };
    match plain(name) {
        Some(Ident { value, quote_style: Some('\'' | '"'), .. }) if joins.is_empty() => {
            TopicFilter::parse(value)
        }
        _ => Err(SqlError::new(USAGE)),
    }
}

/// A name of one part.
fn plain(name: &ObjectName) -> Option<&Ident> {
    match name.0.as_slice() {
        [part] => part.as_ident(),
        _ => None,
    }
}

fn expression(expr: &Expr, depth: usize) -> Result<Expression, SqlError> {
    if depth >= EXPRESSION_DEPTH_MAX {
        return Err(SqlError::new(format!("an expression nests deeper than {EXPRESSION_DEPTH_MAX} levels")));
    }
    let inner = |expr: &Expr| expression(expr, depth + 1).map(Box::new);
    match expr {
        Expr::Identifier(ident) => Ok(Expression::Path(vec![key(ident)?])),
        Expr::CompoundIdentifier(idents) => {
            Ok(Expression::Path(idents.iter().map(key).collect::<Result<_, _>>()?))
        }
        Expr::Nested(nested) => expression(nested, depth + 1),
        Expr::Value(value) => literal(&value.value),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(Expression::Not(inner(expr)?)),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
            Expr::Value(value) if matches!(value.value, Value::Number(..)) => {
                let Expression::Literal(number) = literal(&value.value)? else {
                    return Err(unsupported(expr));
                };
                Ok(Expression::Literal(format!("-{number}")))
            }
            _ => Err(unsupported(expr)),
        },
        Expr::BinaryOp { left, op, right } => {
            let comparison = match op {
                BinaryOperator::And => return Ok(Expression::And(inner(left)?, inner(right)?)),
                BinaryOperator::Or => return Ok(Expression::Or(inner(left)?, inner(right)?)),
                BinaryOperator::Eq => Comparison::Equal,
                BinaryOperator::NotEq => Comparison::NotEqual,
                BinaryOperator::Lt => Comparison::Less,
                BinaryOperator::LtEq => Comparison::LessOrEqual,
                BinaryOperator::Gt => Comparison::Greater,
                BinaryOperator::GtEq => Comparison::GreaterOrEqual,
                other => return Err(SqlError::new(format!("the operator {other} is not supported yet"))),
            };
            Ok(Expression::Compare(comparison, inner(left)?, inner(right)?))
        }
        Expr::Function(function) => call(function, depth),
        other => Err(unsupported(other)),
    }
}

fn key(ident: &Ident) -> Result<String, SqlError> {
    if ident.quote_style.is_none() && ident.value.starts_with(['@', '$']) {
        return Err(SqlError::new(format!("the variable {} is not supported yet", ident.value)));
    }
    Ok(ident.value.clone())
}

fn literal(value: &Value) -> Result<Expression, SqlError> {
    let json = match value {
        Value::Number(text, _) => number(text)?,
        Value::SingleQuotedString(text) => json::string(text),
        Value::Boolean(value) => value.to_string(),
        Value::Null => "null".to_owned(),
        other => return Err(unsupported(other)),
    };
    Ok(Expression::Literal(json))
}

/// SQL also writes `.5` and `007`, which JSON does not.
fn number(text: &str) -> Result<String, SqlError> {
    if serde_json::from_str::<serde_json::Number>(text).is_ok() {
        return Ok(text.to_owned());
    }
    let number = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
    number.map(|number| number.to_string()).ok_or_else(|| SqlError::new(format!("{text} is not a number")))
}

fn call(function: &Function, depth: usize) -> Result<Expression, SqlError> {
    let Function { name, parameters, args, within_group, filter, null_treatment, over, .. } = function;
    let bare = matches!(parameters, FunctionArguments::None)
        && within_group.is_empty()
        && filter.is_none()
        && null_treatment.is_none()
        && over.is_none();
    let (Some(ident), FunctionArguments::List(list), true) = (plain(name), args, bare) else {
        return Err(unsupported(function));
    };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return Err(unsupported(function));
    }
    let mut arguments = Vec::new();
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(argument) => arguments.push(argument),
            _ => return Err(unsupported(function)),
        }
    }
    let wrong = |usage: &str| Err(SqlError::new(format!("{} is not {usage}", quoted(function))));
    let one = || match arguments.as_slice() {
        [FunctionArgExpr::Expr(expr)] => Some(expr),
        _ => None,
    };
    match (ident.value.to_ascii_lowercase().as_str(), arguments.len()) {
        ("topic", 0) => Ok(Expression::Topic),
        ("topic", _) => match one().map(|expr| expression(expr, depth + 1)).transpose()? {
            Some(Expression::Literal(level)) if level.parse::<usize>().is_ok_and(|level| level > 0) => {
                Ok(Expression::TopicLevel(level.parse().unwrap_or_default()))
            }
            _ => wrong("topic() or topic(n) with a level from 1"),
        },
        ("timestamp", 0) => Ok(Expression::Timestamp),
        ("clientid", 0) => Ok(Expression::ClientId),
        ("newuuid", 0) => Ok(Expression::NewUuid),
        ("timestamp" | "clientid" | "newuuid", _) => wrong("called without arguments"),
        ("isundefined" | "isnull", _) => {
            let Some(expr) = one() else { return wrong("called with one value") };
            let inner = Box::new(expression(expr, depth + 1)?);
            let undefined = ident.value.eq_ignore_ascii_case("isundefined");
            Ok(if undefined { Expression::IsUndefined(inner) } else { Expression::IsNull(inner) })
        }
        ("encode", _) => match arguments.as_slice() {
            [FunctionArgExpr::Wildcard, FunctionArgExpr::Expr(Expr::Value(scheme))] if matches!(&scheme.value, Value::SingleQuotedString(scheme) if scheme == "base64") => {
                Ok(Expression::EncodedPayload)
            }
            _ => wrong("encode(*, 'base64'), the only form that is supported"),
        },
        _ => Err(SqlError::new(format!("the function {} is not supported yet", ident.value))),
    }
}

fn unsupported(what: &impl ToString) -> SqlError {
    SqlError::new(format!("{} is not supported yet", quoted(what)))
}

fn quoted(what: &impl ToString) -> String {
    let text = what.to_string();
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_supported_says_so() {
        let long = format!("SELECT * FROM 'a' WHERE {}", "a = 1 AND ".repeat(2_000));
        let chain = format!("SELECT * FROM 'a' WHERE {}a", "a AND ".repeat(100));
        let nested = format!("SELECT * FROM 'a' WHERE {}a{}", "(".repeat(500), ")".repeat(500));
        for (sql, message) in [
            ("SELECT * FROM 'a' LIMIT 1", "LIMIT is not supported; a rule has SELECT, FROM and WHERE"),
            ("SELECT * FROM 'a' GROUP BY b", "GROUP BY is not supported; a rule has SELECT, FROM and WHERE"),
            ("SELECT * FROM 'a' ORDER BY b", "ORDER BY is not supported; a rule has SELECT, FROM and WHERE"),
            ("SELECT DISTINCT a FROM 'a'", "DISTINCT is not supported; a rule has SELECT, FROM and WHERE"),
            (
                "WITH x AS (SELECT 1) SELECT * FROM 'a'",
                "WITH is not supported; a rule has SELECT, FROM and WHERE",
            ),
            ("SELECT VALUE a FROM 'a'", "SELECT VALUE is not supported yet; name the items of the event"),
            (
                "SELECT value temperature FROM 'a'",
                "SELECT VALUE is not supported yet; name the items of the event",
            ),
            ("DELETE FROM a", "a rule is one SELECT statement"),
            ("SELECT * FROM 'a'; SELECT * FROM 'b'", "a rule is one SELECT statement"),
            ("SELECT * FROM 'a' UNION SELECT * FROM 'b'", "a rule is one SELECT statement"),
            ("SELECT *", "a rule reads FROM one topic filter in quotes, such as FROM 'devices/+/state'"),
            (
                "SELECT * FROM a",
                "a rule reads FROM one topic filter in quotes, such as FROM 'devices/+/state'",
            ),
            (
                "SELECT * FROM 'a', 'b'",
                "a rule reads FROM one topic filter in quotes, such as FROM 'devices/+/state'",
            ),
            (
                "SELECT * FROM (SELECT * FROM 'a')",
                "a rule reads FROM one topic filter in quotes, such as FROM 'devices/+/state'",
            ),
            ("SELECT * FROM 'a/#/b'", "in \"a/#/b\" the # is not last; it can only end a filter"),
            ("SELECT a.* FROM 'a'", "a.* is not supported yet"),
            ("SELECT topic(2) FROM 'a'", "topic(2) needs a name; write topic(2) AS name"),
            ("SELECT 1 FROM 'a'", "1 needs a name; write 1 AS name"),
            ("SELECT topic(0) AS t FROM 'a'", "topic(0) is not topic() or topic(n) with a level from 1"),
            ("SELECT topic(a) AS t FROM 'a'", "topic(a) is not topic() or topic(n) with a level from 1"),
            (
                "SELECT topic(1, 2) AS t FROM 'a'",
                "topic(1, 2) is not topic() or topic(n) with a level from 1",
            ),
            ("SELECT timestamp(1) AS t FROM 'a'", "timestamp(1) is not called without arguments"),
            (
                "SELECT encode(a, 'base64') AS t FROM 'a'",
                "encode(a, 'base64') is not encode(*, 'base64'), the only form that is supported",
            ),
            ("SELECT isNull() AS t FROM 'a'", "isNull() is not called with one value"),
            ("SELECT upper(a) AS t FROM 'a'", "the function upper is not supported yet"),
            ("SELECT a + 1 AS t FROM 'a'", "the operator + is not supported yet"),
            ("SELECT * FROM 'a' WHERE a LIKE 'b'", "a LIKE 'b' is not supported yet"),
            ("SELECT * FROM 'a' WHERE a IN (1, 2)", "a IN (1, 2) is not supported yet"),
            ("SELECT a[0] AS t FROM 'a'", "a[0] is not supported yet"),
            ("SELECT -a AS t FROM 'a'", "a is not supported yet"),
            (
                "SELECT CASE a WHEN 1 THEN 2 END AS t FROM 'a'",
                "CASE a WHEN 1 THEN 2 END is not supported yet",
            ),
            (&long, "the statement has more than 8192 bytes"),
            (&chain, "an expression nests deeper than 64 levels"),
        ] {
            assert_eq!(statement(sql).map_err(|error| error.to_string()).unwrap_err(), message, "{sql}");
        }
        for sql in [
            "",
            "SELECT",
            "SELECT * FROM 'a' WHERE",
            "SELECT 'a FROM 'a'",
            "SELECT * FROM 'a' WHERE (a = 1",
            &nested,
        ] {
            let message = statement(sql).unwrap_err().to_string();
            let expected =
                message.starts_with("not valid SQL: ") || message == "a rule is one SELECT statement";
            assert!(expected, "{sql}: {message}");
        }
    }

    #[test]
    fn value_is_a_key_like_any_other() {
        for sql in [
            "SELECT value FROM 'a'",
            "SELECT value AS v FROM 'a'",
            "SELECT value, b FROM 'a'",
            "SELECT value.x FROM 'a'",
        ] {
            assert!(statement(sql).is_ok(), "{sql}");
        }
    }
}
