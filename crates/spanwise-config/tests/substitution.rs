//! The cases of the specification's table of substitutions, one test row for each of its rows.
//!
//! Source: OpenTelemetry specification, configuration data model, environment variable substitution.

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
    assert!(error.starts_with("t.yaml:2:6: `${STRING_VALUE:?error}` is no reference"), "{error}");
}

#[test]
fn block_scalars_are_substituted_too() {
    let expected = ("key".to_owned(), Scalar::String("a value\n".into()));
    assert_eq!(read("key: |\n  a ${STRING_VALUE}\n"), Ok(expected));
}
