//! The cases of the specification's table of substitutions, one test row for each of its rows.
//!
//! Source: OpenTelemetry specification, configuration data model, environment variable substitution.

#![allow(clippy::unwrap_used)]

use spanwise_config::{Document, Scalar};

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "STRING_VALUE" => "value",
        "BOOL_VALUE" => "true",
        "INT_VALUE" => "1",
        "FLOAT_VALUE" => "1.1",
        "HEX_VALUE" => "0xdeadbeef",
        "INVALID_MAP_VALUE" => "value\nkey:value",
        "DO_NOT_REPLACE_ME" => "Never use this value",
        "REPLACE_ME" => "${DO_NOT_REPLACE_ME}",
        "VALUE_WITH_ESCAPE" => "value$$",
        _ => return None,
    };
    Some(value.to_owned())
}

fn read(text: &str) -> Result<(String, Scalar), String> {
    let document = Document::parse("t.yaml", text.as_bytes(), environment)
        .map_err(|error| error.to_string())?;
    let read = document.read(|root| {
        let (key, field) = root.entries().remove(0);
        (key.to_owned(), field.any_scalar().cloned().unwrap_or(Scalar::Null))
    });
    read.map(|read| read.value).map_err(|error| error.to_string())
}

#[test]
fn every_row_of_the_table() {
    let string = |text: &str| Scalar::String(text.into());
    let rows = [
        ("${STRING_VALUE}", string("value")),
        ("${BOOL_VALUE}", Scalar::Bool(true)),
        ("${INT_VALUE}", Scalar::Integer(1)),
        ("${FLOAT_VALUE}", Scalar::Float(1.1)),
        ("${HEX_VALUE}", Scalar::Integer(3_735_928_559)),
        ("\"${STRING_VALUE}\"", string("value")),
        ("\"${BOOL_VALUE}\"", string("true")),
        ("\"${INT_VALUE}\"", string("1")),
        ("\"${FLOAT_VALUE}\"", string("1.1")),
        ("\"${HEX_VALUE}\"", string("0xdeadbeef")),
        ("${env:STRING_VALUE}", string("value")),
        ("${INVALID_MAP_VALUE}", string("value\nkey:value")),
        ("foo ${STRING_VALUE} ${FLOAT_VALUE}", string("foo value 1.1")),
        ("${UNDEFINED_KEY}", Scalar::Null),
        ("${UNDEFINED_KEY:-fallback}", string("fallback")),
        ("${REPLACE_ME}", string("${DO_NOT_REPLACE_ME}")),
        ("${UNDEFINED_KEY:-${STRING_VALUE}}", string("${STRING_VALUE}")),
        ("$${STRING_VALUE}", string("${STRING_VALUE}")),
        ("$$${STRING_VALUE}", string("$value")),
        ("$$$${STRING_VALUE}", string("$${STRING_VALUE}")),
        ("$${STRING_VALUE:-fallback}", string("${STRING_VALUE:-fallback}")),
        ("$${STRING_VALUE:-${STRING_VALUE}}", string("${STRING_VALUE:-value}")),
        ("${UNDEFINED_KEY:-$${UNDEFINED_KEY}}", string("${UNDEFINED_KEY:-${UNDEFINED_KEY}}")),
        ("${VALUE_WITH_ESCAPE}", string("value$$")),
        ("a $$ b", string("a $ b")),
        ("a $ b", string("a $ b")),
    ];
    for (input, expected) in rows {
        assert_eq!(read(&format!("key: {input}\n")), Ok(("key".to_owned(), expected)), "{input}");
    }
}

#[test]
fn keys_are_no_place_for_references() {
    let expected = ("${STRING_VALUE}".to_owned(), Scalar::String("value".into()));
    assert_eq!(read("${STRING_VALUE}: value\n"), Ok(expected));
}

#[test]
fn a_malformed_reference_is_an_error_and_nothing_is_read() {
    let error = read("other: 1\nkey: ${STRING_VALUE:?error}\n").unwrap_err();
    assert!(error.starts_with("t.yaml:2:6: a `${…}` in the value is no reference"), "{error}");
}

#[test]
fn block_scalars_are_substituted_too() {
    let expected = ("key".to_owned(), Scalar::String("a value\n".into()));
    assert_eq!(read("key: |\n  a ${STRING_VALUE}\n"), Ok(expected));
}

/// The warnings of a file whose values are not read.
fn warnings(text: &str) -> Vec<String> {
    let document = Document::parse("t.yaml", text.as_bytes(), environment).unwrap();
    let warnings = document.read(|_| ()).unwrap().warnings;
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_variable_without_a_value_and_a_default_is_a_warning_at_its_place() {
    let text = "\
a: {b: [x, \"Bearer ${TOKEN}\"]}
known: ${STRING_VALUE} ${OTHER:-} ${OTHER:-x} $${OTHER}
two: ${ONE}${STRING_VALUE}${TWO}
";
    let expected = |place: &str, name: &str| {
        format!(
            "t.yaml:{place}: an empty text replaces ${{{name}}}: the variable has no value; ${{{name}:-}} has an empty default"
        )
    };
    let places = [("1:12: a.b[1]", "TOKEN"), ("3:6: two", "ONE"), ("3:6: two", "TWO")];
    assert_eq!(warnings(text), places.map(|(place, name)| expected(place, name)));
}

#[test]
fn a_value_that_an_alias_repeats_is_one_warning() {
    assert_eq!(warnings("a: &a {b: \"${NONE}\"}\nc: [*a, *a]\nd: {<<: *a}\n").len(), 1);
}

#[test]
fn the_nearest_variable_with_a_value_is_named() {
    // One of the process: cargo sets it for each test.
    let of_process = |name: &str| std::env::var(name).ok();
    let text = b"a: ${CARGO_MANIFST_DIR}\nb: ${NOTHING_IS_LIKE_THIS}\n";
    let warnings = |environment: &dyn Fn(&str) -> Option<String>| {
        let document = Document::parse("t.yaml", text, environment).unwrap();
        document.read(|_| ()).unwrap().warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let hinted = warnings(&of_process);
    assert!(hinted[0].contains("no value; did you mean `CARGO_MANIFEST_DIR`?"), "{hinted:?}");
    assert!(!hinted[1].contains("did you mean"), "{hinted:?}");
    // A variable without a value in the environment of the file is no hint.
    assert!(!warnings(&|_| None)[0].contains("did you mean"));
}

#[test]
fn at_most_a_hundred_variables_are_reported() {
    let text: String = (0..300).map(|key| format!("k{key}: ${{V{key}}}\n")).collect();
    assert_eq!(warnings(&text).len(), 100);
}

#[test]
fn an_error_names_the_variable_that_has_no_value() {
    let document =
        Document::parse("t.yaml", b"a:\n  b: ${NONE}\nc: ${NO_URL}/v1\nd: x\n", environment)
            .unwrap();
    let read = document.read(|root| {
        let root = root.mapping(&["a", "c", "d"]);
        let _required = root.get("a").mapping(&["b"]).get("b").required();
        root.get("c").error("it is no URL");
        root.get("d").error("it is no URL");
    });
    let errors = read.unwrap_err().to_string();
    let lines: Vec<_> = errors.lines().collect();
    assert!(lines[0].contains("a.b: it is required; an empty text replaces ${NONE}"), "{errors}");
    assert!(lines[1].contains("c: it is no URL; an empty text replaces ${NO_URL}"), "{errors}");
    assert!(lines[2].ends_with("d: it is no URL"), "{errors}");
}
