use serde_json::json;

use super::*;

#[track_caller]
fn render(template: &str) -> String {
    let context = json!({
        "connectionId": "Zk3pQdXMDoECEeg=",
        "identity": {"sourceIp": "203.0.113.17"},
        "requestTimeEpoch": 1_721_807_858_377_i64,
    });
    let inputs = Inputs {
        body: r#"{"action":"join","room":"a\"b","n":3,"list":[1,2,3],"map":{"z":1,"y":[true]},"empty":""}"#,
        query: &[("token".to_owned(), "t 1".to_owned())],
        headers: &[("User-Agent".to_owned(), "agent".to_owned())],
        context: &context,
        stage_variables: &[("table".to_owned(), "T".to_owned())],
    };
    let parsed =
        Template::parse(template).unwrap_or_else(|error| panic!("{template}: {error} at {}", error.at));
    parsed.render(&inputs).unwrap_or_else(|error| panic!("{template}: {error}"))
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (template, expected) in cases {
        assert_eq!(render(template), *expected, "{template}");
    }
}

#[test]
fn what_the_service_supplies() {
    check(&[
        ("$input.body.length()", "88"),
        ("$input.json('$.room')", r#""a\"b""#),
        ("$input.json('$.map')", r#"{"z":1,"y":[true]}"#),
        (
            "$input.json('$')",
            r#"{"action":"join","room":"a\"b","n":3,"list":[1,2,3],"map":{"z":1,"y":[true]},"empty":""}"#,
        ),
        ("$input.json('$.nothing')", r#""""#),
        ("$input.path('$.room')", "a\"b"),
        ("$input.path('$.map')", "{z=1, y=[true]}"),
        ("$input.path('$.list')", "[1,2,3]"),
        ("[$input.path('$.nothing')]", "[]"),
        ("$input.path('$.list')[1] $input.path('$.list').size()", "2 3"),
        ("#set($in = $input.path('$'))$in.action/$in.map.z/$in.list[0]", "join/1/1"),
        ("$input.params('token') $input.params('user-agent') [$input.params('x')]", "t 1 agent []"),
        ("$input.params().querystring.token", "t 1"),
        (
            "#foreach($k in $input.params().header.keySet())$k=$input.params().header.get($k)#end",
            "User-Agent=agent",
        ),
        (
            "$context.connectionId $context.identity.sourceIp [$context.nothing.at.all]",
            "Zk3pQdXMDoECEeg= 203.0.113.17 []",
        ),
        ("$context.requestTimeEpoch", "1721807858377"),
        ("$stageVariables.table ${stageVariables.table}s $stageVariables.get('table')", "T Ts T"),
        ("$util.escapeJavaScript(\"it's \"\"/\"\"\")", r#"it\'s \"\/\""#),
        ("$util.base64Encode('hi') $util.base64Decode('aGk=')", "aGk= hi"),
        ("$util.urlEncode('a b/ä') $util.urlDecode('a+b%2F')", "a+b%2F%C3%A4 a b/"),
        ("$util.parseJson('{\"a\":[1]}').a[0]", "1"),
        ("[$util.nothing('a')]", "[]"),
    ]);
}

#[test]
fn references_that_lead_nowhere() {
    check(&[
        ("$nothing ${nothing} $nothing.at.all", "$nothing ${nothing} $nothing.at.all"),
        ("[$!nothing] [$!{nothing}]", "[] []"),
        ("costs 5$ and $5 and $$ and $ and ${", "costs 5$ and $5 and $$ and $ and ${"),
        ("a@b.c #hash #1 #", "a@b.c #hash #1 #"),
        ("#set($a = 1)$a.b $a.c() $a", "$a.b $a.c() 1"),
        ("#set($a = 'x')$a[0", "x[0"),
        ("#set($a = 'x')${a}[0] $a.txt", "x[0] $a.txt"),
    ]);
}

#[test]
fn escapes_and_comments() {
    check(&[
        (r"\$a \#if \\ \x", r"$a #if \\ \x"),
        (r#"#set($a = 1)\$a \\$a \\\$a"#, r"$a \1 \$a"),
        ("a## to the end\nb", "ab"),
        ("a#* over\nlines *#b", "ab"),
        ("#[[$a #if]]#", "$a #if"),
    ]);
}

#[test]
fn sets() {
    check(&[
        ("#set($a = 1)\n$a", "1"),
        ("#set( $a = 'q' )$a", "q"),
        ("#set($a = '$b')$a", "$b"),
        ("#set($b = 2)#set($a = \"<$b>\")$a", "<2>"),
        ("#set($a = \"#if(true)yes#end\")$a", "yes"),
        ("#set($a = 'it''s')$a", "it's"),
        ("#set($m = {'a': 1, 'b': [2, 3]})#set($m.c = 4)#set($m['d'] = 5)$m", "{a=1, b=[2,3], c=4, d=5}"),
        ("#set($l = [1, 2])#set($l[1] = 9)$l", "[1,9]"),
        ("#set($l = [])#set($done = $l.add('x'))$l.size() $l", r#"1 ["x"]"#),
        ("#set($a = 1)#set($b = $a)#set($a = 2)$b", "1"),
        ("#set($l = [1])#set($k = $l)#set($done = $k.add(2))$l", "[1,2]"),
        ("#set($a = 1)#set($a = $nothing)$a", "1"),
        ("#set($e = {})#set($n = [])$e $n", "{} []"),
    ]);
}

#[test]
fn conditions() {
    check(&[
        ("#if(true)a#{else}b#end", "a"),
        ("#if($nothing)a#else b#end", " b"),
        ("#if(1 == 2)a#elseif('x' == \"x\")b#else c#end", "b"),
        ("#if('')empty is true#end", "empty is true"),
        ("#if($input.path('$.empty') == '')empty#end", "empty"),
        ("#if(!$nothing && (1 < 2 || $nothing))yes#end", "yes"),
        ("#if(not true or 2 ge 2 and 'a' ne 'b')yes#end", "yes"),
        ("#if(1 < 1.5)a#end#if('a' < 'b')b#end#if('a' < 1)c#end", "ab"),
        ("#if(1 == '1')same#end", "same"),
        ("#if($nothing == $nothing2)same#end", "same"),
        ("#if(true)\n  a\n#else\n  b\n#end\nc", "  a\nc"),
        ("#if(true)#if(false)a#else b#end#end", " b"),
    ]);
}

#[test]
fn loops() {
    check(&[
        ("#foreach($i in [1..3])$i#if($foreach.hasNext),#end#end", "1,2,3"),
        ("#foreach($i in [3..1])$i#end", "321"),
        (
            "#foreach($i in $input.path('$.list'))$foreach.index:$foreach.count:$velocityCount #end",
            "0:1:1 1:2:2 2:3:3 ",
        ),
        ("#foreach($v in {'a': 1, 'b': 2})$v#end", "12"),
        ("#foreach($e in $input.path('$.map').entrySet())$e.key=$e.value;#end", "z=1;y=[true];"),
        ("#foreach($i in [1..9])#if($i == 3)#break#end$i#end.", "12."),
        ("a#foreach($i in [1..9])#if($i == 2)#stop#end$i#end.", "a1"),
        ("#set($i = 'kept')#foreach($i in [1])$i#end$i", "1kept"),
        ("#foreach($i in [1..2])#foreach($j in [1..2])$i$j#if(!$foreach.last)-#end#end;#end", "11-12;21-22;"),
        ("#foreach($i in $nothing)x#end.", "."),
        ("#foreach($i in 'text')x#end.", "."),
    ]);
}

#[test]
fn arithmetic() {
    check(&[
        ("#set($a = 1 + 2 * 3 - 4)$a", "3"),
        ("#set($a = (1 + 2) * 3)$a", "9"),
        ("#set($a = 7 / 2)$a #set($a = 7 % 2)$a #set($a = 7.0 / 2)$a", "3 1 3.5"),
        ("#set($a = -1 - -2)$a #set($b = 2)#set($a = -$b)$a", "1 -2"),
        ("#set($a = 'x' + 1)$a #set($a = 1 + 'x')$a", "x1 1x"),
        ("#set($a = 1)#set($a = $a / 0)$a", "1"),
        ("#set($a = 9223372036854775807)#set($b = $a + 1)$b", "$b"),
        ("#set($a = 1.5e3)$a", "1500.0"),
    ]);
}

#[test]
fn methods_of_texts() {
    check(&[
        ("#set($s = ' Äb ')$s.trim().toLowerCase() $s.length()", "äb 4"),
        ("#set($s = 'abcabc')$s.indexOf('c') $s.lastIndexOf('c') $s.indexOf('x')", "2 5 -1"),
        ("#set($s = 'abcdef')$s.substring(2) $s.substring(1, 3) $s.charAt(0)", "cdef bc a"),
        ("#set($s = 'abc')$s.substring(9) $s.charAt(9)", "$s.substring(9) $s.charAt(9)"),
        (
            "#set($s = 'a-b')$s.contains('-') $s.startsWith('a') $s.endsWith('a') $s.isEmpty() $s.empty",
            "true true false false false",
        ),
        (
            "#set($s = 'a.b.c')$s.replace('.', '/') $s.replaceAll('[.]', '-') $s.replaceFirst('[a-z]', '<$0>')",
            "a/b/c a-b-c <a>.b.c",
        ),
        ("#set($s = 'a,b,,')$s.split(',') $s.split(',').size()", r#"["a","b"] 2"#),
        (
            "#set($s = 'abc')$s.matches('[a-c]+') $s.matches('b') $s.matches('(')",
            "true false $s.matches('(')",
        ),
        (
            "#set($s = 'a')$s.equals('a') $s.equalsIgnoreCase('A') $s.concat('b') $s.compareTo('b')",
            "true true ab -1",
        ),
        ("#set($s = 'pay')$s.replaceAll('pay', '\\$5')", "$5"),
    ]);
}

#[test]
fn methods_of_lists_and_maps() {
    check(&[
        (
            "#set($l = [1, 2, 3])$l.size() $l.get(0) $l[-1] $l.contains(2) $l.indexOf(3) $l.isEmpty()",
            "3 1 3 true 2 false",
        ),
        ("#set($l = [1, 2, 3])#set($x = $l.remove(0))$x $l $l.subList(0, 1)", "1 [2,3] [2]"),
        ("#set($l = [1])#set($x = $l.addAll([2, 3]))#set($x = $l.add(0, 9))$l", "[9,1,2,3]"),
        (
            "#set($m = {'a': 1})$m.containsKey('a') $m.containsValue(1) $m.get('b') $m.getOrDefault('b', 7) $m.size()",
            "true true $m.get('b') 7 1",
        ),
        ("#set($m = {'b': 1, 'a': 2})$m.keySet() $m.values()", r#"["b","a"] [1,2]"#),
        ("#set($m = {})#set($x = $m.put('k', 'v'))$m.k #set($x = $m.remove('k'))$x $m.isEmpty()", "v v true"),
        ("#set($n = 2.9)$n.intValue() #set($n = 2)$n.doubleValue()", "2 2.0"),
    ]);
}

/// What a mistake is told as, and where.
#[test]
fn mistakes_in_templates() {
    for (template, at, problem) in [
        ("a #if(true) b", 2, "#if has no #end"),
        ("a #end", 2, "#end has no #if or #foreach before it"),
        ("#foreach($a in [1])", 0, "#foreach has no #end"),
        ("#foreach($a in [1])#else", 19, "#else is inside a #foreach that began before"),
        ("#foreach(a in [1])#end", 9, "#foreach names its item: #foreach($item in $list)"),
        ("#foreach($a of [1])#end", 12, "#foreach needs an in: #foreach($item in $list)"),
        ("#set($a 1)", 8, "#set needs a =: #set($x = 1)"),
        ("#set(a = 1)", 5, "#set starts with a reference: #set($x = 1)"),
        ("#set($a.b() = 1)", 11, "#set cannot assign to a method"),
        (
            "#set($a = )",
            10,
            "is no value; a value is a $reference, a text in quotes, a number, a list or a map",
        ),
        ("#set($a = 1", 11, "#set( is not closed; a ) is missing here"),
        ("#set($a = 'x)", 10, "' is not closed"),
        ("#set($a = \"#if(true)\")", 10, "#if has no #end"),
        ("#if(true)#else#elseif(true)#end", 14, "#elseif comes after #else"),
        ("#if true", 0, "#if needs its parentheses"),
        ("#macro(x)", 0, "#macro is not available in mapping templates"),
        ("${a", 3, "a reference in braces ends with }"),
        ("$a.b(1", 6, "( is not closed"),
        ("#* a", 0, "#* is not closed; it ends with *#"),
        ("#set($a = 99999999999999999999)", 10, "99999999999999999999 is no number"),
    ] {
        let error = Template::parse(template).unwrap_err();
        assert_eq!((error.at, error.problem.as_str()), (at, problem), "{template}");
    }
}

#[test]
fn bounds() {
    let limit = |template: &str| {
        Template::parse(template).unwrap().render(&Inputs::default()).unwrap_err().to_string()
    };
    assert_eq!(limit("#foreach($i in [1..1001])#end"), "the template makes more than 1000 items of a range");
    let loops = "#foreach($i in [1..1000])".repeat(3) + "x" + &"#end".repeat(3);
    assert_eq!(limit(&loops), "the template makes more than 250000 steps");
    let doubled = "#set($s = 'xxxxxxxxxxxxxxxx')".to_owned() + &"#set($s = $s + $s)".repeat(30);
    assert_eq!(limit(&doubled), "the template makes more than 6291456 bytes");
    let patterns = "#set($s = 'a')#foreach($i in [1..1000])#foreach($j in [1..1000])$s.matches('a+')#end#end";
    assert_eq!(limit(patterns), "the template makes more than 250000 steps");
    let list = "#set($l = [1])".to_owned() + &"#set($x = $l.addAll($l))".repeat(30);
    assert_eq!(limit(&list), "the template makes more than 100000 items of a list or map");

    let deep = "#if(true)".repeat(100) + &"#end".repeat(100);
    assert_eq!(Template::parse(&deep).unwrap_err().problem, "is nested more than 64 deep");
    let deep = format!("#set($a = {})", "(".repeat(10_000));
    assert_eq!(Template::parse(&deep).unwrap_err().problem, "is nested more than 64 deep");
    let large = " ".repeat(TEMPLATE_BYTES_MAX + 1);
    assert_eq!(Template::parse(&large).unwrap_err().problem, "is larger than 307200 bytes");
}

/// Templates made of the language's own pieces: whatever they are, there is an answer, soon, and no panic.
#[test]
fn any_pieces_in_any_order() {
    const PIECES: [&str; 40] = [
        "#if(",
        "#set(",
        "#foreach(",
        "#end",
        "#else",
        "#elseif(",
        "#{end}",
        "$",
        "$a",
        "${a",
        "$!a",
        "}",
        ")",
        "(",
        "[",
        "]",
        "{",
        ".",
        ".size()",
        ".get(",
        "$input",
        ".path('$",
        "$context",
        " in ",
        " = ",
        "==",
        "+",
        "-",
        "1",
        "1.5",
        "'",
        "\"",
        "\\",
        "##",
        "#*",
        "*#",
        "\n",
        " ",
        "ä",
        ",",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut parsed = 0;
    for _ in 0..20_000 {
        let length = 1 + next(24);
        let template: String = (0..length).map(|_| PIECES[next(PIECES.len())]).collect();
        if let Ok(template) = Template::parse(&template) {
            parsed += 1;
            let _ = template.render(&Inputs { body: r#"{"a":[1,{"b":2}]}"#, ..Inputs::default() });
        }
    }
    assert!(parsed > 1_000, "{parsed}");
}
