//! Every function, by the examples and tables of the functions page.

use crate::case::{Group, PAYLOAD, check_groups};

#[test]
fn functions() {
    check_groups(GROUPS);
}

macro_rules! function {
    ($anchor:literal, $rows:expr) => {
        Group { page: concat!("iot-sql-functions.html#", $anchor), payload: PAYLOAD, rows: &$rows }
    };
}

pub(crate) const GROUPS: &[Group] = &[
    function!(
        "iot-func-abs",
        [
            ("abs(-5)", "5"),
            ("abs(5.5)", "5.5"),
            ("ABS('-5')", "5"),
            ("abs(s)", ""),
            ("abs(arr)", ""),
            ("abs(gone)", "")
        ]
    ),
    function!("iot-sql-function-accountid", [("accountid()", r#""123456789012""#)]),
    function!(
        "iot-func-acos",
        [
            ("acos(0)", "1.5707963267948966"),
            ("acos(2)", ""),
            ("acos('0')", "1.5707963267948966"),
            ("acos(true)", "")
        ]
    ),
    function!("iot-func-asin", [("asin(0)", "0"), ("asin(1)", "1.5707963267948966"), ("asin(-1.1)", "")]),
    function!("iot-func-atan", [("atan(0)", "0"), ("atan(1)", "0.7853981633974483"), ("atan(NULL)", "")]),
    function!(
        "iot-func-atan2",
        [
            ("atan2(1, 0)", "1.5707963267948966"),
            ("atan2('1', 0)", "1.5707963267948966"),
            ("atan2(-1, 0)", "-1.5707963267948966"),
            ("atan2('x', 0)", ""),
            ("atan2(1, obj)", "")
        ]
    ),
    function!(
        "iot-func-bitand",
        [
            ("bitand(13, 5)", "5"),
            ("bitand(13.9, 5.9)", "5"),
            ("bitand('13', '5.5')", "5"),
            ("bitand('x', 5)", ""),
            ("bitand(true, 5)", "")
        ]
    ),
    function!("iot-func-bitor", [("bitor(8, 5)", "13"), ("bitor('8', 5)", "13"), ("bitor(8, NULL)", "")]),
    function!(
        "iot-func-xbitor",
        [("bitxor(13, 5)", "8"), ("bitxor(13.7, '5')", "8"), ("bitxor(13, 'x')", "")]
    ),
    function!(
        "iot-func-bitnot",
        [
            ("bitnot(13)", "2"),
            ("bitnot('13.9')", "2"),
            ("bitnot(0)", "1"),
            ("bitnot(-1)", "0"),
            ("bitnot(s)", "")
        ]
    ),
    function!(
        "iot-func-ceil",
        [
            ("ceil(1.2)", "2"),
            ("ceil(-1.2)", "-1"),
            ("ceil(7)", "7"),
            ("ceil('1.2')", "2"),
            ("ceil(s)", ""),
            ("ceil(true)", "")
        ]
    ),
    function!(
        "iot-func-chr",
        [
            ("chr(65)", r#""A""#),
            ("chr(49)", r#""1""#),
            ("chr(65.9)", r#""A""#),
            ("chr('65')", r#""A""#),
            ("chr(128)", ""),
            ("chr(-1)", ""),
            ("chr('x')", ""),
            ("chr(NULL)", "")
        ]
    ),
    function!("iot-sql-function-clientid", [("clientid()", r#""sensor-7""#)]),
    function!(
        "iot-func-concat",
        [
            ("concat()", ""),
            ("concat(1)", r#""1""#),
            ("concat([1])", "[1]"),
            ("concat([1, 2, 3], 4)", "[1,2,3,4]"),
            ("concat([1, 2, 3], \"hello\")", r#"[1,2,3,"hello"]"#),
            ("concat(\"con\", \"cat\")", r#""concat""#),
            ("concat(1, \"hello\")", r#""1hello""#),
            ("concat(\"he\",\"is\",\"man\")", r#""heisman""#),
            ("concat([1, 2, 3], \"hello\", [4, 5, 6])", r#"[1,2,3,"hello",4,5,6]"#),
            ("concat(1, 2)", ""),
            ("concat('a', NULL)", ""),
            ("concat('a', gone)", ""),
            ("concat('a', true, 1.50)", r#""atrue1.5""#),
            ("concat('a', obj)", r#""a{\"a\":1,\"b\":{\"c\":\"x\"}}""#),
            ("concat(arr, obj)", r#"[1,"two",3.5,null,{"a":1,"b":{"c":"x"}}]"#),
        ]
    ),
    function!("iot-func-cos", [("cos(0)", "1"), ("cos('0')", "1"), ("cos(s)", "")]),
    function!("iot-func-cosh", [("cosh(2.3)", "5.037220649268761"), ("cosh(true)", ""), ("cosh(1000)", "")]),
    function!(
        "iot-sql-decode-base64",
        [
            ("decode('aGk=', 'base64')", r#""hi""#),
            ("decode('eyJhIjogMX0=', 'base64')", r#"{"a": 1}"#),
            ("decode('eyJhIjogMX0=', 'base64').a", "1"),
            ("decode('MTI=', \"base64\") + 1", "13"),
            ("decode('!', 'base64')", "null"),
            ("decode('/w==', 'base64')", "null"),
            ("decode(gone, 'base64')", ""),
        ]
    ),
    function!(
        "iot-sql-encode-payload",
        [
            ("encode('hi', 'base64')", r#""aGk=""#),
            ("encode(12, 'base64')", r#""MTI=""#),
            ("encode({'a': 1}, 'base64')", r#""eyJhIjoxfQ==""#),
            ("encode(NULL, 'base64')", ""),
            ("encode(gone, 'base64')", ""),
            ("decode(encode(*, 'base64'), 'base64').i = i", "true"),
        ]
    ),
    function!(
        "iot-func-endswith",
        [
            ("endswith(\"cat\",\"at\")", "true"),
            ("endswith('cat', 'ca')", "false"),
            ("endswith(112, 12)", "true"),
            ("endswith(NULL, 'a')", ""),
            ("endswith('a', gone)", "")
        ]
    ),
    function!(
        "iot-func-exp",
        [("exp(1)", "2.718281828459045"), ("exp('0')", "1"), ("exp(1000)", ""), ("exp(arr)", "")]
    ),
    function!(
        "iot-func-floor",
        [
            ("floor(1.2)", "1"),
            ("floor(-1.2)", "-2"),
            ("floor('1.9')", "1"),
            ("floor(7)", "7"),
            ("floor(true)", ""),
            ("floor(timestamp() / 1E3)", "1481825251")
        ]
    ),
    function!(
        "iot-sql-function-get",
        [
            ("get([\"a\", \"b\", \"c\"], 1)", r#""b""#),
            ("get({\"a\":\"b\"}, \"a\")", r#""b""#),
            ("get(\"abc\", 1)", r#""b""#),
            ("get(arr, 2)", "3.5"),
            ("get(arr, '2')", "3.5"),
            ("get(arr, 1.9)", r#""two""#),
            ("get(arr, 4)", ""),
            ("get(arr, -1)", ""),
            ("get(arr, 'x')", ""),
            ("get(arr, true)", ""),
            ("get(obj, 'b')", r#"{"c":"x"}"#),
            ("get(get(obj, 'b'), 'c')", r#""x""#),
            ("get(obj, 'gone')", ""),
            ("get(obj, 1)", ""),
            ("get('abc', 3)", ""),
            ("get(i, 0)", ""),
            ("get(gone, 0)", ""),
            ("get(*, 'i')", "7"),
        ]
    ),
    function!(
        "iot-sql-function-get-mqtt-property",
        [
            ("get_mqtt_property(\"format_indicator\")", r#""UTF8_DATA""#),
            ("get_mqtt_property(\"content_type\")", r#""text/plain""#),
            ("get_mqtt_property(\"response_topic\")", r#""answers/7""#),
            ("get_mqtt_property(\"correlation_data\")", r#""Y2lk""#),
            ("get_mqtt_property(\"some_invalid_name\")", ""),
        ]
    ),
    function!(
        "iot-sql-function-get-or-default",
        [
            ("get_or_default(i, 1)", "7"),
            ("get_or_default(gone, 1)", "1"),
            ("get_or_default(nothing, 'x')", r#""x""#),
            ("get_or_default(abs(s), 0)", "0"),
            ("get_or_default(no, true)", "false"),
            ("get_or_default('', 'x')", r#""""#),
            ("get_or_default(gone)", ""),
            ("get_or_default(i)", "7"),
        ]
    ),
    function!(
        "iot-sql-function-get-user-properties",
        [
            ("get_user_properties('some key')", r#"["some value","again"]"#),
            ("get_user_properties('other key')", r#"["other value"]"#),
            (
                "get_user_properties()",
                r#"[{"some key":"some value"},{"other key":"other value"},{"some key":"again"}]"#
            ),
            ("get_user_properties('non-existent key')", ""),
        ]
    ),
    function!(
        "iot-sql-function-hash",
        [
            ("md2(\"hello\")", r#""a9046c73e00331af68917d3804f70655""#),
            ("md5(\"hello\")", r#""5d41402abc4b2a76b9719d911017c592""#),
            ("sha1('abc')", r#""a9993e364706816aba3e25717850c26c9cd0d89d""#),
            ("sha224('abc')", r#""23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7""#),
            ("sha256('abc')", r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#),
            (
                "sha384('abc')",
                r#""cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7""#
            ),
            (
                "sha512('abc')",
                r#""ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f""#
            ),
            ("md5(123)", r#""202cb962ac59075b964b07152d234b70""#),
            ("md5(NULL)", ""),
            ("sha256(gone)", ""),
        ]
    ),
    function!(
        "iot-sql-function-indexof",
        [
            ("indexof(\"abcd\", \"bc\")", "1"),
            ("indexof('abcd', 'x')", "-1"),
            ("indexof('äbc', 'c')", "2"),
            ("indexof(1234, 3)", "2"),
            ("indexof(NULL, 'a')", "")
        ]
    ),
    function!(
        "iot-sql-function-isNull",
        [
            ("isNull(5)", "false"),
            ("isNull(Null)", "true"),
            ("isNull(nothing)", "true"),
            ("isNull(gone)", "false"),
            ("isNull('')", "false"),
            ("isnull(arr)", "false")
        ]
    ),
    function!(
        "iot-sql-function-isUndefined",
        [
            ("isUndefined(5)", "false"),
            ("isUndefined(floor([1,2,3]))", "true"),
            ("isUndefined(gone)", "true"),
            ("isUndefined(nothing)", "false"),
            ("isUndefined(obj.a)", "false"),
            ("isUndefined(obj.x)", "true")
        ]
    ),
    function!(
        "iot-sql-function-length",
        [
            ("length(\"hi\")", "2"),
            ("length(false)", "5"),
            ("length('€')", "1"),
            ("length(arr)", "18"),
            ("length(NULL)", "")
        ]
    ),
    function!(
        "iot-func-nln",
        [
            ("ln(1)", "0"),
            ("ln(2.718281828459045)", "1"),
            ("ln(0)", ""),
            ("ln(-1)", ""),
            ("ln('1')", "0"),
            ("ln(true)", "")
        ]
    ),
    function!("iot-func-log", [("log(100)", "2"), ("log('1000')", "3"), ("log(-1)", ""), ("log(s)", "")]),
    function!(
        "iot-func-lower",
        [
            ("lower(\"HELLO\")", r#""hello""#),
            ("lower([\"HELLO\"])", r#""[\"hello\"]""#),
            ("lower('ÄÖ')", "\"äö\""),
            ("lower(TRUE)", r#""true""#),
            ("lower(NULL)", "")
        ]
    ),
    function!(
        "iot-func-lpad",
        [
            ("lpad(\"hello\", 2)", r#""  hello""#),
            ("lpad(1, 3)", r#""   1""#),
            ("lpad('a', 1.9)", r#"" a""#),
            ("lpad('a', '2')", r#""  a""#),
            ("lpad('a', -5)", r#""a""#),
            ("length(lpad('a', 5000))", "1001"),
            ("length(lpad('a', 1e300))", "1001"),
            ("lpad('a', 'x')", ""),
            ("lpad(NULL, 1)", ""),
            ("lpad('a', true)", "")
        ]
    ),
    function!(
        "iot-func-ltrim",
        [
            ("Ltrim(\" h i \")", r#""h i ""#),
            ("ltrim('\t x')", r#""x""#),
            ("ltrim(5)", r#""5""#),
            ("ltrim(gone)", "")
        ]
    ),
    function!(
        "iot-func-mod",
        [
            ("mod(8, 3)", "2"),
            ("mod(8.5, 3)", "2.5"),
            ("mod('8', '3')", "2"),
            ("mod(8, 0)", ""),
            ("mod(s, 3)", "")
        ]
    ),
    function!(
        "iot-func-nanvl",
        [
            ("Nanvl(8, 3)", "8"),
            ("nanvl(gone, 3)", "3"),
            ("nanvl(nothing, 3)", "3"),
            ("nanvl(sqrt(-1), 3)", "3"),
            ("nanvl('x', 3)", r#""x""#)
        ]
    ),
    function!(
        "iot-sql-function-newuuid",
        [("newuuid()", r#""80000000-0000-4000-8899-aabbccddeeff""#), ("length(newuuid())", "36")]
    ),
    function!(
        "iot-sql-function-numbytes",
        [("numbytes(\"hi\")", "2"), ("numbytes(\"€\")", "3"), ("numbytes(12)", "2"), ("numbytes(NULL)", "")]
    ),
    function!(
        "iot-sql-function-parse-time",
        [
            (
                "parse_time(\"yyyy.MM.dd G 'at' HH:mm:ss z\", 100000000, \"America/Belize\")",
                r#""1970.01.01 AD at 21:46:40 CST""#
            ),
            ("parse_time(\"yyyy\", timestamp(), \"UTC\")", r#""2016""#),
            ("parse_time('yyyy-MM-dd''T''HH:mm:ss.SSSZ', timestamp())", r#""2016-12-15T18:07:31.155+0000""#),
            (
                "parse_time('EEEE, MMMM d, yyyy h:mm a', 1700000000123)",
                r#""Tuesday, November 14, 2023 10:13 PM""#
            ),
            ("parse_time('HH:mm', '60000')", r#""00:01""#),
            ("parse_time('yyyy', 0, 'Nowhere/City')", ""),
            ("parse_time('yyyy', s)", ""),
            ("parse_time('yyyy', 1e30)", ""),
            ("parse_time('y' + 'q', 0)", ""),
        ]
    ),
    function!(
        "iot-func-power",
        [
            ("power(2, 5)", "32"),
            ("power('2', '0.5')", "1.4142135623730951"),
            ("power(-1, 0.5)", ""),
            ("power(10, 1000)", ""),
            ("power(s, 2)", "")
        ]
    ),
    function!("iot-sql-function-principal", [("principal()", r#""ABCD1EFG3HIJK2LMNOP5""#)]),
    function!("iot-sql-function-rand", [("rand()", "0.5"), ("rand() < 1", "true")]),
    function!(
        "iot-func-regex-matches",
        [
            ("regexp_matches(\"aaaa\", \"a{2,}\")", "true"),
            ("regexp_matches(\"aaaa\", \"b\")", "false"),
            ("regexp_matches(123, '^1\\d+$')", "true"),
            ("regexp_matches(arr, 'two')", "true"),
            ("regexp_matches('abc', s)", "true"),
            ("regexp_matches('abc', '(' + s)", ""),
            ("regexp_matches(NULL, 'a')", ""),
            ("regexp_matches('a', gone)", ""),
        ]
    ),
    function!(
        "iot-func-regex-replace",
        [
            ("regexp_replace(\"abcd\", \"bc\", \"x\")", r#""axd""#),
            ("regexp_replace(\"abcd\", \"b(.*)d\", \"$1\")", r#""ac""#),
            ("regexp_replace('aXbX', 'X', '')", r#""ab""#),
            ("regexp_replace('12-34', '(\\d+)-(\\d+)', '$2-$1')", r#""34-12""#),
            ("regexp_replace('abcd', 'b(.*)d', '$2')", ""),
            ("regexp_replace('abcd', 'b', 5)", r#""a5cd""#),
            ("regexp_replace(gone, 'b', 'c')", ""),
        ]
    ),
    function!(
        "iot-func-regex-substr",
        [
            ("regexp_substr(\"hihihello\", \"hi\")", r#""hi""#),
            ("regexp_substr(\"hihihello\", \"(hi)*\")", r#""hihi""#),
            ("regexp_substr('temp=21.5;', '[0-9.]+')", r#""21.5""#),
            ("regexp_substr('abc', 'x')", ""),
            ("regexp_substr(NULL, 'x')", ""),
        ]
    ),
    function!(
        "iot-func-remainder",
        [("remainder(8, 3)", "2"), ("remainder('8.5', 3)", "2.5"), ("remainder(8, NULL)", "")]
    ),
    function!(
        "iot-func-replace",
        [
            ("replace(\"abcd\", \"bc\", \"x\")", r#""axd""#),
            ("replace(\"abcdabcd\", \"b\", \"x\")", r#""axcdaxcd""#),
            ("replace(1231, 1, true)", r#""true23true""#),
            ("replace('a', NULL, 'b')", ""),
            ("replace('a', 'a', gone)", "")
        ]
    ),
    function!(
        "iot-func-rpad",
        [
            ("rpad(\"hello\", 2)", r#""hello  ""#),
            ("rpad(1, 3)", r#""1   ""#),
            ("rpad('a', 'x')", ""),
            ("length(rpad('a', 1001))", "1001")
        ]
    ),
    function!(
        "iot-func-round",
        [
            ("Round(1.2)", "1"),
            ("Round(1.5)", "2"),
            ("Round(1.7)", "2"),
            ("Round(-1.1)", "-1"),
            ("Round(-1.5)", "-2"),
            ("round('2.5')", "3"),
            ("round(7)", "7"),
            ("round(true)", "")
        ]
    ),
    function!(
        "iot-func-rtrim",
        [("rtrim(\" h i \")", r#"" h i""#), ("rtrim(5)", r#""5""#), ("rtrim(NULL)", "")]
    ),
    function!(
        "iot-func-sign",
        [
            ("sign(-7)", "-1"),
            ("sign(0)", "0"),
            ("sign(13)", "1"),
            ("sign(-0.5)", "-1"),
            ("sign('1.2')", "1"),
            ("sign(s)", "")
        ]
    ),
    function!("iot-func-sin", [("sin(0)", "0"), ("sin('1')", "0.8414709848078965"), ("sin(true)", "")]),
    function!("iot-func-sinh", [("sinh(2.3)", "4.936961805545957"), ("sinh(obj)", "")]),
    function!("iot-sql-function-sourceip", [("sourceip()", r#""192.0.2.7""#)]),
    function!(
        "iot-func-substring",
        [
            ("substring(\"012345\", 0)", r#""012345""#),
            ("substring(\"012345\", 2)", r#""2345""#),
            ("substring(\"012345\", 2.745)", r#""2345""#),
            ("substring(123, 2)", r#""3""#),
            ("substring(\"012345\", -1)", r#""012345""#),
            ("substring(true, 1.2)", r#""rue""#),
            ("substring(false, -2.411E247)", r#""false""#),
            ("substring(\"012345\", 1, 3)", r#""12""#),
            ("substring(\"012345\", -50, 50)", r#""012345""#),
            ("substring(\"012345\", 3, 1)", r#""""#),
            ("substring('äöü', 1, 2)", "\"ö\""),
            ("substring('abc', 9)", r#""""#),
            ("substring('abc', 'x')", ""),
            ("substring('abc', 0, gone)", ""),
            ("substring(NULL, 0)", ""),
        ]
    ),
    function!("iot-sql-function-sql-version", [("sql_version()", r#""2016-03-23""#)]),
    function!(
        "iot-func-sqrt",
        [("sqrt(9)", "3"), ("sqrt('2')", "1.4142135623730951"), ("sqrt(-1)", ""), ("sqrt(arr)", "")]
    ),
    function!(
        "iot-func-startswith",
        [
            ("startswith(\"ranger\",\"ran\")", "true"),
            ("startswith('ranger', 'anger')", "false"),
            ("startswith(123, 12)", "true"),
            ("startswith(gone, 'a')", ""),
            ("startswith('a', NULL)", "")
        ]
    ),
    function!("iot-func-tan", [("tan(3)", "-0.1425465430742778"), ("tan('x')", "")]),
    function!("iot-func-tanh", [("tanh(2.3)", "0.9800963962661914"), ("tanh(NULL)", "")]),
    function!(
        "iot-sql-function-time-to-epoch",
        [
            ("time_to_epoch(\"2020-04-03 09:45:18 UTC+01:00\", \"yyyy-MM-dd HH:mm:ss VV\")", "1585903518000"),
            ("time_to_epoch(\"18 December 2015\", \"dd MMMM yyyy\")", "1450396800000"),
            (
                "time_to_epoch(\"2007-12-03 10:15:30.592 America/Los_Angeles\", \"yyyy-MM-dd HH:mm:ss.SSS z\")",
                "1196705730592"
            ),
            ("time_to_epoch('2021-02-31', 'yyyy-MM-dd')", ""),
            ("time_to_epoch('soon', 'yyyy-MM-dd')", ""),
            ("time_to_epoch(20210228, 'yyyyMMdd')", "1614470400000"),
            ("time_to_epoch(NULL, 'yyyyMMdd')", ""),
        ]
    ),
    function!(
        "iot-function-timestamp",
        [
            ("timestamp()", "1481825251155"),
            ("timestamp ( )", "1481825251155"),
            ("timestamp() / 1000", "1481825251")
        ]
    ),
    function!(
        "iot-function-topic",
        [
            ("topic()", r#""things/myThings/thingOne""#),
            ("topic(1)", r#""things""#),
            ("topic(2)", r#""myThings""#),
            ("topic(3)", r#""thingOne""#),
            ("topic(4)", ""),
            ("topic(0)", ""),
            ("topic(-1)", ""),
            ("topic('2')", r#""myThings""#),
            ("topic(i - 5)", r#""myThings""#),
            ("topic(NULL)", "")
        ]
    ),
    function!("iot-sql-function-traceid", [("traceid()", r#""12345678-1234-1234-1234-123456789012""#)]),
    function!(
        "iot-func-transform",
        [
            ("transform('enrichArray', {'x': 1}, [{'a': 2}, {'x': 3}])", r#"[{"a":2,"x":1},{"x":1}]"#),
            ("transform('enrichArray', {}, [{'a': 2}])", r#"[{"a":2}]"#),
            ("transform('enrichArray', {'x': 1}, [])", "[]"),
            ("transform('enrichArray', {'x': 1}, [1])", ""),
            ("transform('enrichArray', 1, [{'a': 2}])", ""),
            ("transform('enrichArray', {'x': 1}, obj)", ""),
            ("transform('other', {'x': 1}, [{'a': 2}])", ""),
        ]
    ),
    function!(
        "iot-func-trim",
        [("Trim(\" hi \")", r#""hi""#), ("trim(5.50)", r#""5.5""#), ("trim(NULL)", "")]
    ),
    function!(
        "iot-func-trunc",
        [
            ("trunc(2.3, 0)", "2"),
            ("trunc(2.3123, 2)", "2.31"),
            ("trunc(2.888, 2)", "2.88"),
            ("trunc(2.00, 5)", "2"),
            ("trunc(-2.888, 1)", "-2.8"),
            ("trunc(2.888, -3)", "2"),
            ("trunc(2.888, 100)", "2.888"),
            ("trunc('2.888', 1.9)", "2.8"),
            ("trunc(7, 3)", "7"),
            ("trunc(s, 1)", "")
        ]
    ),
    function!(
        "iot-sql-function-upper",
        [
            ("upper(\"hello\")", r#""HELLO""#),
            ("upper([\"hello\"])", r#""[\"HELLO\"]""#),
            ("upper(1)", r#""1""#),
            ("upper(gone)", "")
        ]
    ),
];
