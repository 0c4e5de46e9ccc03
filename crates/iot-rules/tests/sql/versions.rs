//! What version 2015-10-08 has not yet, by the notes of the functions, literals and nested queries pages.

use dunlin_iot_rules::sql::{Message, Statement, Version};

/// A statement, and the part of it that needs the later version; none if it is fine.
pub(crate) const ROWS: &[(&str, Option<&str>)] = &[
    ("SELECT * FROM 'a'", None),
    ("SELECT a, topic(1) AS t FROM 'a' WHERE a > 1 AND isNull(b)", None),
    ("SELECT VALUE a FROM 'a'", None),
    ("SELECT cast(a AS Int) AS b FROM 'a'", None),
    ("SELECT cast(a AS Double) AS b FROM 'a'", None),
    ("SELECT concat(a, b) AS c, md5(a) AS d, regexp_substr(a, 'b') AS e FROM 'a'", None),
    ("SELECT encode(*, 'base64') AS b FROM 'a'", Some("the function encode")),
    ("SELECT decode(a, 'base64') AS b FROM 'a'", Some("the function decode")),
    ("SELECT * FROM 'a' WHERE isUndefined(b)", Some("the function isundefined")),
    ("SELECT length(a) AS b FROM 'a'", Some("the function length")),
    ("SELECT indexof(a, 'b') AS b FROM 'a'", Some("the function indexof")),
    ("SELECT numbytes(a) AS b FROM 'a'", Some("the function numbytes")),
    ("SELECT parse_time('yyyy', 0) AS b FROM 'a'", Some("the function parse_time")),
    ("SELECT time_to_epoch(a, 'yyyy') AS b FROM 'a'", Some("the function time_to_epoch")),
    ("SELECT transform('enrichArray', a, b) AS b FROM 'a'", Some("the function transform")),
    ("SELECT [a] AS b FROM 'a'", Some("an array")),
    ("SELECT {'a': 1} AS b FROM 'a'", Some("an object")),
    ("SELECT (SELECT VALUE a FROM b) AS b FROM 'a'", Some("a nested SELECT")),
    ("SELECT cast(a AS Boolean) AS b FROM 'a'", Some("cast to this type")),
];

#[test]
fn the_first_version_lacks_what_came_later() {
    for (sql, lacks) in ROWS {
        let found =
            Statement::parse_version(sql, Version::V2015_10_08).map_err(|error| error.message().to_owned());
        match lacks {
            None => assert!(found.is_ok(), "{sql}: {found:?}"),
            Some(what) => assert_eq!(
                found.unwrap_err(),
                format!(
                    "{what} needs SQL version 2016-03-23, and this rule has 2015-10-08; set AwsIotSqlVersion"
                ),
                "{sql}"
            ),
        }
        for version in [Version::V2016_03_23, Version::Beta] {
            assert!(Statement::parse_version(sql, version).is_ok(), "{sql}");
        }
    }
}

#[test]
fn versions_have_names() {
    for version in [Version::V2015_10_08, Version::V2016_03_23, Version::Beta] {
        assert_eq!(version.as_str().parse(), Ok(version));
        let statement = Statement::parse_version("SELECT VALUE sql_version() FROM 'a'", version).unwrap();
        let outgoing = statement.evaluate(&Message::new("a", b"")).unwrap().unwrap();
        assert_eq!(String::from_utf8(outgoing.payload).unwrap(), format!("{:?}", version.as_str()));
    }
    assert_eq!(
        "2017-01-01".parse::<Version>().unwrap_err().to_string(),
        "there is no SQL version \"2017-01-01\"; there are 2016-03-23, 2015-10-08 and beta"
    );
}
