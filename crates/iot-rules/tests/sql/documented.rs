//! The examples of the documentation, statement by statement.

use crate::case::{Case, Expected::*, check_cases};

const COLOR: &[u8] = br#"{"color":"red", "temperature":50}"#;
const SENSORS: &[u8] = br#"{"e":[{"n":"temperature","u":"Cel","t":1234,"v":22.5},{"n":"light","u":"lm","t":1235,"v":135},{"n":"acidity","u":"pH","t":1235,"v":7}]}"#;
const VALUES: &[u8] = br#"{"attributes":{"data1":1,"data2":2},"values":[{"a":3},{"b":4},{"c":5}]}"#;
const DEVICE: &[u8] = br#"{"deviceid":"iot123","temp":54.98,"humidity":32.43,"coords":{"latitude":47.615694,"longitude":-122.3359976}}"#;

#[test]
fn examples_of_the_documentation() {
    check_cases(CASES);
}

const fn case(
    page: &'static str,
    sql: &'static str,
    payload: &'static [u8],
    expected: crate::case::Expected,
) -> Case {
    Case { name: "an example of the page", sql, topic: "topic/subtopic", payload, expected, page }
}

const fn at(topic: &'static str, case: Case) -> Case {
    Case { topic, ..case }
}

pub(crate) const CASES: &[Case] = &[
    case("iot-sql-reference.html", "SELECT color AS rgb FROM 'topic/subtopic' WHERE temperature > 50", br#"{"color":"red","temperature":100}"#, Event(r#"{"rgb":"red"}"#)),
    // SELECT
    case("iot-sql-select.html", "SELECT * FROM 'topic/subtopic'", COLOR, Event(r#"{"color":"red", "temperature":50}"#)),
    case("iot-sql-select.html", "SELECT color FROM 'topic/subtopic'", COLOR, Event(r#"{"color":"red"}"#)),
    case("iot-sql-select.html", "SELECT color AS my_color FROM 'topic/subtopic'", COLOR, Event(r#"{"my_color":"red"}"#)),
    case("iot-sql-select.html", "SELECT color as my_color, temperature as fahrenheit FROM 'topic/subtopic'", COLOR, Event(r#"{"my_color":"red","fahrenheit":50}"#)),
    case("iot-sql-select.html", "SELECT *, 15 as speed FROM 'topic/subtopic'", COLOR, Event(r#"{"color":"red", "temperature":50,"speed":15}"#)),
    case("iot-sql-select.html", "SELECT VALUE color FROM 'topic/subtopic'", COLOR, Event(r#""red""#)),
    case("iot-sql-select.html", "SELECT color.red as red_value FROM 'topic/subtopic'", br#"{"color":{"red":255,"green":0,"blue":0}, "temperature":50}"#, Event(r#"{"red_value":255}"#)),
    case("iot-sql-select.html", "SELECT (temperature - 32) * 5 / 9 AS celsius, upper(color) as my_color FROM 'topic/subtopic'", COLOR, Event(r#"{"celsius":10,"my_color":"RED"}"#)),
    // FROM
    at("topic/subtopic", case("iot-sql-from.html", "SELECT temperature AS t FROM 'topic/subtopic'", br#"{"temperature":50}"#, Event(r#"{"t":50}"#))),
    at("topic/subtopic-2", case("iot-sql-from.html", "SELECT temperature AS t FROM 'topic/subtopic'", br#"{"temperature":50}"#, NoMatch)),
    at("a/b", case("iot-sql-from.html", "SELECT temperature AS t FROM 'a/#'", br#"{"temperature":50}"#, Event(r#"{"t":50}"#))),
    at("a/e/f", case("iot-sql-from.html", "SELECT temperature AS t FROM 'a/#'", br#"{"temperature":70}"#, Event(r#"{"t":70}"#))),
    at("b/x", case("iot-sql-from.html", "SELECT temperature AS t FROM 'a/#'", br#"{"temperature":80}"#, NoMatch)),
    at("a/c", case("iot-sql-from.html", "SELECT temperature AS t FROM 'a/+'", br#"{"temperature":60}"#, Event(r#"{"t":60}"#))),
    at("a/e/f", case("iot-sql-from.html", "SELECT temperature AS t FROM 'a/+'", br#"{"temperature":70}"#, NoMatch)),
    // WHERE
    case("iot-sql-where.html", "SELECT color AS my_color FROM 'topic/subtopic' WHERE temperature > 50 AND color <> 'red'", br#"{"color":"red","temperature":40}"#, NoMatch),
    case("iot-sql-where.html", "SELECT decode(encode(*, 'base64'), 'base64') AS value FROM 'topic/subtopic' WHERE decode(encode(*, 'base64'), 'base64') > 50", b"80", Event(r#"{"value":80}"#)),
    // SET
    case("iot-sql-set.html", "SET @temp_celsius = (temp_fahrenheit - 32) * 5 / 9 SELECT @temp_celsius AS celsius, humidity FROM 'topic/subtopic'", br#"{"temp_fahrenheit": 77, "humidity": 60}"#, Event(r#"{"celsius":25,"humidity":60}"#)),
    case("iot-sql-set.html", "SET @device_sensor_data = device1.deviceData.sensors SELECT @device_sensor_data.temp_fahrenheit AS temp_fahrenheit, @device_sensor_data.humidity as humidity FROM 'topic/subtopic'", br#"{"device1": {"deviceId":"weather_sensor", "deviceData": {"sensors": {"temp_fahrenheit": 75, "humidity": 60}, "location": [47.606,-122.332]}}}"#, Event(r#"{"temp_fahrenheit":75,"humidity":60}"#)),
    // JSON extensions
    case("iot-sql-json.html", "SELECT foo.bar AS bar.baz FROM 'topic/subtopic'", br#"{"foo": {"bar": "RED", "bar1": "GREEN"}}"#, Event(r#"{"bar":{"baz":"RED"}}"#)),
    case("iot-sql-json.html", "SELECT temp, md5(deviceid) AS hashed_id FROM 'topic/#'", DEVICE, Event(r#"{"temp":54.98,"hashed_id":"e37f81fb397e595c4aeb5645b8cbbbd1"}"#)),
    case("iot-sql-json.html", "SELECT * FROM 'topic/#' WHERE get(get(get(mydata,\"item2\"),\"0\"),\"my-key\") = \"myValue\"", br#"{"mydata":{"item2":{"0":{"my-key":"myValue"}}}}"#, Event(r#"{"mydata":{"item2":{"0":{"my-key":"myValue"}}}}"#)),
    // literals
    case("iot-sql-literals.html", "SELECT {'latitude': get(lat_long, 0),'longitude':get(lat_long, 1)} as lat_long FROM 'topic/subtopic'", br#"{"lat_long": [47.606,-122.332]}"#, Event(r#"{"lat_long":{"latitude":47.606,"longitude":-122.332}}"#)),
    case("iot-sql-literals.html", "SELECT [lat,long] as lat_long FROM 'topic/subtopic'", br#"{"lat": 47.606, "long": -122.332}"#, Event(r#"{"lat_long":[47.606,-122.332]}"#)),
    // CASE
    case("iot-sql-case.html", "SELECT CASE color WHEN 'green' THEN 'go' WHEN 'yellow' THEN 'caution' WHEN 'red' THEN 'stop' ELSE 'you are not at a stop light' END as instructions FROM 'topic/subtopic'", br#"{"color":"yellow"}"#, Event(r#"{"instructions":"caution"}"#)),
    // nested object queries
    case("iot-sql-nested-queries.html", "SELECT (SELECT VALUE n FROM e) as sensors FROM 'topic/subtopic'", SENSORS, Event(r#"{"sensors":["temperature","light","acidity"]}"#)),
    case("iot-sql-nested-queries.html", "SELECT (SELECT v FROM e WHERE n = 'temperature') as temperature FROM 'topic/subtopic'", SENSORS, Event(r#"{"temperature":[{"v":22.5}]}"#)),
    case("iot-sql-nested-queries.html", "SELECT get((SELECT v FROM e WHERE n = 'temperature'), 0).v as temperature FROM 'topic/subtopic'", SENSORS, Event(r#"{"temperature":22.5}"#)),
    // operators
    case("iot-sql-operators.html#iot-sql-operators-in", "select * from 'topic/subtopic' where 3 in arr", br#"{"arr":[1, 2, 3, "three", 5.7, null]}"#, Event(r#"{"arr":[1, 2, 3, "three", 5.7, null]}"#)),
    case("iot-sql-operators.html#iot-sql-operators-exists", "select * from 'topic/subtopic' where exists (select * from arr as a where a = 3)", br#"{"arr":[1, 2, 3]}"#, Event(r#"{"arr":[1, 2, 3]}"#)),
    case("iot-sql-operators.html#iot-sql-operators-exists", "select * from 'topic/subtopic' where exists (select * from e as e where foo = 2)", br#"{"foo":4,"bar":5,"e":[{"foo":1},{"foo":2}]}"#, Event(r#"{"foo":4,"bar":5,"e":[{"foo":1},{"foo":2}]}"#)),
    // binary payloads
    case("binary-payloads.html", "SELECT * FROM 'topic/subtopic'", b"\x00\xff\x01", Raw(b"\x00\xff\x01")),
    case("binary-payloads.html", "SELECT encode(*, 'base64') AS data, timestamp() AS ts FROM 'topic/subtopic'", b"\x00\xff\x01", Event(r#"{"data":"AP8B","ts":1481825251155}"#)),
    case("binary-payloads.html", "SELECT * FROM 'topic/subtopic' WHERE device_type = 'thermostat'", b"\x00\xff\x01", NotJson),
    case("binary-payloads.html", "SELECT *, timestamp() AS timestamp FROM 'topic/subtopic'", b"\x00\xff\x01", NotJson),
    case("binary-payloads.html", "SELECT * FROM 'topic/subtopic' WHERE timestamp() % 12 = 3", b"\x00\xff\x01", Raw(b"\x00\xff\x01")),
    case("binary-payloads.html", "SELECT * FROM 'topic/subtopic' WHERE timestamp() % 12 = 0", b"\x00\xff\x01", NoMatch),
    // versions
    case("iot-rule-sql-version.html", "SELECT VALUE arr FROM 'topic/subtopic'", br#"{"a":{"b":"c"},"arr":[1,2,3,4]}"#, Event("[1,2,3,4]")),
    // functions with statements of their own
    case("iot-sql-functions.html#iot-sql-decode-base64", "SELECT decode(encoded_temp,\"base64\").temperature AS temp from 'topic/subtopic'", br#"{"encoded_temp": "eyAidGVtcGVyYXR1cmUiOiAzMyB9Cg=="}"#, Event(r#"{"temp":33}"#)),
    case("iot-sql-functions.html#iot-func-transform", "select value transform(\"enrichArray\", attributes, values) from 'topic/subtopic'", VALUES, Event(r#"[{"a":3,"data1":1,"data2":2},{"b":4,"data1":1,"data2":2},{"c":5,"data1":1,"data2":2}]"#)),
    case("iot-sql-functions.html#iot-func-transform", "select value transform(\"enrichArray\", {\"key\": attributes.data1}, values) from 'topic/subtopic'", VALUES, Event(r#"[{"a":3,"key":1},{"b":4,"key":1},{"c":5,"key":1}]"#)),
    case("iot-sql-functions.html#iot-func-transform", "select value transform('enrichArray', (select a, b from data2), (select value c from data2)) from 'topic/subtopic'", br#"{"data1":"example","data2":{"a":"first attribute","b":"second attribute","c":[{"x":{"someInt":5,"someString":"hello"},"y":true},{"x":{"someInt":10,"someString":"world"},"y":false}]}}"#, Event(r#"[{"x":{"someInt":5,"someString":"hello"},"y":true,"a":"first attribute","b":"second attribute"},{"x":{"someInt":10,"someString":"world"},"y":false,"a":"first attribute","b":"second attribute"}]"#)),
    case("iot-sql-functions.html#iot-sql-function-parse-time", "SELECT parse_time(\"yyyy.MM.dd G 'at' HH:mm:ss z\", 100000000, \"America/Belize\" ) as ts FROM 'topic/subtopic'", b"{}", Event(r#"{"ts":"1970.01.01 AD at 21:46:40 CST"}"#)),
    case("iot-sql-functions.html#iot-sql-function-get-mqtt-property", "SELECT *, get_mqtt_property('content_type') as contentType, get_mqtt_property('format_indicator') as payloadFormatIndicator, get_mqtt_property('response_topic') as responseTopic, get_mqtt_property('correlation_data') as correlationData FROM 'topic/subtopic'", b"{}", Event(r#"{"contentType":"text/plain","payloadFormatIndicator":"UTF8_DATA","responseTopic":"answers/7","correlationData":"Y2lk"}"#)),
    case("iot-substitution-templates.html", "SELECT *, timestamp() AS timestamp FROM 'topic/subtopic'", DEVICE, Event(r#"{"deviceid":"iot123","temp":54.98,"humidity":32.43,"coords":{"latitude":47.615694,"longitude":-122.3359976},"timestamp":1481825251155}"#)),
    // data types
    case("iot-sql-data-types.html", "SELECT NULL AS n FROM 'topic/subtopic'", b"{}", Event(r#"{"n":null}"#)),
    case("iot-sql-data-types.html", "SELECT foo, bar FROM 'topic/subtopic'", br#"{"foo": null}"#, Event(r#"{"foo":null}"#)),
    case("iot-sql-data-types.html", "SELECT VALUE bar FROM 'topic/subtopic'", br#"{"foo": null}"#, Raw(b"")),
];
