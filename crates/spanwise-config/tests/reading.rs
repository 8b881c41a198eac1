//! Fields of all types, and the messages of those that do not fit.

#![allow(clippy::unwrap_used)]

use spanwise_config::{Document, Field, Read};

fn read<T>(text: &str, schema: impl FnOnce(Field<'_>) -> T) -> Result<Read<T>, String> {
    let environment = |name: &str| (name == "TOKEN").then(|| "hunter2".to_owned());
    let document = Document::parse("s.yaml", text.as_bytes(), environment);
    document.and_then(|document| document.read(schema)).map_err(|error| error.to_string())
}

/// The messages for a value where `schema` reads the key `key`.
fn message(value: &str, schema: impl FnOnce(Field<'_>)) -> String {
    let read = read(&format!("key: {value}\n"), |root| schema(root.mapping(&["key"]).get("key")));
    read.unwrap_err()
}

#[test]
fn all_types() {
    let text = "s: a\nb: true\ni: 0x10\nn: 1e3\nl: [1, 2]\nk: {batch: {size: 3}}\nc: gzip\nz:\n";
    let read = read(text, |root| {
        let root = root.mapping(&["s", "b", "i", "n", "l", "k", "c", "z", "absent"]);
        assert_eq!(root.get("s").string(), Some("a"));
        assert_eq!(root.get("b").boolean(), Some(true));
        assert_eq!(root.get("i").integer(0..=16), Some(16));
        assert_eq!(root.get("n").number(0.0..=1e3), Some(1000.0));
        assert_eq!(root.get("i").number(0.0..=16.0), Some(16.0));
        let list: Vec<_> = root.get("l").sequence().iter().map(|one| one.integer(1..=2)).collect();
        assert_eq!(list, [Some(1), Some(2)]);
        let (kind, batch) = root.get("k").kind(&["batch", "simple"]).unwrap();
        assert_eq!((kind, batch.path()), ("batch", "k.batch"));
        assert_eq!(batch.mapping(&["size"]).get("size").integer(0..=9), Some(3));
        assert_eq!(root.get("c").choice(&[("none", 0), ("gzip", 1)]), Some(1));
        assert!(root.get("z").exists() && !root.get("z").has_value());
        assert!(!root.get("absent").exists());
        assert_eq!(root.get("absent").string(), None);
        assert!(root.get("absent").sequence().is_empty());
        assert!(root.get("z").mapping(&["a"]).get("a").string().is_none());
        root.get("s").warning("soon removed");
        root.get("l")
            .sequence()
            .pop()
            .map(|last| (last.position().to_string(), last.path().to_owned()))
    });
    let read = read.unwrap();
    assert_eq!(read.value, Some(("5:8".to_owned(), "l[1]".to_owned())));
    assert_eq!(read.warnings[0].to_string(), "s.yaml:1:4: s: soon removed");
}

#[test]
fn another_type_is_named_with_the_accepted_one() {
    let at = |message: &str| format!("s.yaml:1:6: key: {message}");
    assert_eq!(
        message("12", |key| _ = key.string()),
        at("a string is expected; put `12` in quotes")
    );
    assert_eq!(
        message("maybe", |key| _ = key.boolean()),
        at("true or false is expected, not `maybe`")
    );
    assert_eq!(
        message("-1", |key| _ = key.integer(0..=9)),
        at("a whole number from 0 to 9 is expected, not `-1`")
    );
    assert_eq!(
        message("1.5", |key| _ = key.integer(1..=i64::MAX)),
        at("a whole number from 1 is expected, not `1.5`")
    );
    assert_eq!(
        message("99999999999999999999", |key| _ = key.integer(1..=9)),
        at("a whole number from 1 to 9 is expected, not `99999999999999999999`")
    );
    assert_eq!(
        message(".nan", |key| _ = key.number(0.0..=1.0)),
        at("a number from 0 to 1 is expected, not `.nan`")
    );
    assert_eq!(message("[1]", |key| _ = key.string()), at("a string is expected, not a sequence"));
    assert_eq!(
        message("gzp", |key| _ = key.choice(&[("none", 0), ("gzip", 1)])),
        at("`gzp` is not known; did you mean `gzip`?; accepted is `none` or `gzip`")
    );
    assert_eq!(
        message("{}", |key| _ = key.sequence()),
        at("a sequence (lines that begin with `- `) is expected, not a mapping")
    );
    assert_eq!(
        message("1", |key| _ = key.mapping(&[])),
        at("a mapping (lines of `key: value`) is expected, not a whole number")
    );
    assert_eq!(
        message("{a: 1, b: 1}", |key| _ = key.kind(&["a", "b"])),
        at("exactly one of `a` or `b` is expected, not 2 keys: a, b")
    );
    assert_eq!(
        message("{}", |key| _ = key.kind(&["a", "b"])),
        at("exactly one of `a` or `b` is expected, not a mapping")
    );
    assert_eq!(
        message("\"12\"", |key| _ = key.integer(0..=99)),
        at("a whole number from 0 to 99 is expected, not a string; remove the quotes of `12`")
    );
    assert_eq!(
        message("'true'", |key| _ = key.boolean()),
        at("true or false is expected, not a string; remove the quotes of `true`")
    );
    assert_eq!(message("", |key| _ = key.required()), at("it is required").replace("1:6", "1:1"));
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    let error = read("batch:\n  max_queue_sze: 1\n  color: red\n", |root| {
        let batch = root.mapping(&["batch"]).get("batch").mapping(&["max_queue_size", "exporter"]);
        batch.get("exporter").required().string().map(str::to_owned)
    });
    let expected = "s.yaml:2:3: batch.exporter: it is required
s.yaml:2:3: batch.max_queue_sze: unknown key; did you mean `max_queue_size`?
s.yaml:3:3: batch.color: unknown key; accepted is `max_queue_size` or `exporter`";
    let mut lines: Vec<String> = error.unwrap_err().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn a_value_that_a_schema_reads_twice_is_one_error() {
    let error = read("key: text\nother: text\n", |root| {
        let root = root.mapping(&["key", "other"]);
        for key in ["key", "other", "key"] {
            root.get(key).integer(0..=9);
        }
    });
    let error = error.unwrap_err();
    assert_eq!(error.lines().count(), 2, "{error}");
}

#[test]
fn no_message_shows_the_value_of_a_variable_or_a_secret() {
    let of_variable = message("${TOKEN}", |key| _ = key.integer(0..=9));
    assert!(of_variable.ends_with("is expected, not the value of `${TOKEN}`"), "{of_variable}");
    let secret = message("swordfish", |key| _ = key.secret().integer(0..=9));
    assert!(secret.ends_with("is expected, not a string"), "{secret}");
    let document = Document::parse("s.yaml", b"key: swordfish", |_| None).unwrap();
    assert_eq!(format!("{document:?}"), "Document { name: \"s.yaml\", .. }");
}

#[test]
fn aliases_and_merges() {
    let text = "base: &base {a: 1, b: 2}\nuse:\n  <<: *base\n  b: 3\nsame: *base\n";
    let read = read(text, |root| {
        let root = root.mapping(&["base", "use", "same"]);
        ["use", "same"].map(|key| {
            let values = root.get(key).entries();
            let mut values: Vec<_> =
                values.iter().map(|(key, value)| (key.to_string(), value.integer(0..=9))).collect();
            values.sort();
            values
        })
    });
    let value = |b| vec![("a".to_owned(), Some(1)), ("b".to_owned(), Some(b))];
    assert_eq!(read.unwrap().value, [value(3), value(2)]);
}

#[test]
fn at_most_a_hundred_errors_are_reported() {
    let text: String = (0..150).map(|key| format!("k{key}: 1\n")).collect();
    let error = read(&text, |root| {
        let _no_fields = root.mapping(&[]);
    });
    let error = error.unwrap_err();
    assert_eq!(error.lines().count(), 101);
    assert!(error.ends_with("and 50 more"));
}

#[test]
fn equal_contents_have_equal_hashes_wherever_they_stand() {
    let hash = |text: &str| {
        let document =
            Document::parse("f.yaml", text.as_bytes(), |_| Some("1".to_owned())).unwrap();
        document.read(|root| root.mapping(&["a", "b"]).get("a").content_hash()).unwrap().value
    };
    let first = hash("a: { key: [x, 1, true] }");
    assert_eq!(
        first,
        hash("# moved\nb: 1\na:\n  key:\n    - \"x\"\n    - ${NUMBER}\n    - true\n")
    );
    for other in
        ["a: { key: [x, \"1\", true] }", "a: { key: [[x], 1, true] }", "a: { ky: [x, 1, true] }"]
    {
        assert_ne!(first, hash(other), "{other}");
    }
    assert_ne!(hash("a: { x: { y: 1 }, z: 1 }"), hash("a: { x: { y: 1, z: 1 } }"));
    assert_eq!((hash("b: 1"), hash("a:")), (0, 0));
}
