//! The table of `docs/redaction.md` and the code agree about the keys of the Collector's processors. Those of `filter` have a test in
//! `spanwise-tail`.

use spanwise_config::Document;
use spanwise_redact::{RedactorBuilder, Rule};
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../docs/redaction.md");
const KEY: &str = "a key of sixty-four bytes, which is enough for each of the functions";

/// The part of the page between two marks.
fn part(name: &str) -> &'static str {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    PAGE.split_once(&begin).unwrap().1.split_once(&end).unwrap().0
}

/// The processor, the key and the state of each row.
fn rows() -> Vec<[&'static str; 3]> {
    let cells = |line: &'static str| {
        let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
        [(); 3].map(|()| cells.next().unwrap())
    };
    let rows = part("processors").lines().filter(|line| line.starts_with("| `"));
    rows.map(cells).collect()
}

/// A block with the key.
fn block(processor: &str, key: &str) -> String {
    let key_and_value = match key {
        "allow_all_keys" | "redact_all_types" => format!("{key}: true"),
        "url_sanitizer" => format!("{key}: {{enabled: true, attributes: [a]}}"),
        "db_sanitizer" => format!("{key}: {{sql: {{enabled: true, attributes: [a]}}}}"),
        "hmac_key" => format!("{key}: '${{KEY}}', hash_function: hmac-sha256"),
        key if key.starts_with("hash_function") => format!("{key}, hmac_key: '${{KEY}}'"),
        key if key.contains(": ") => key.to_owned(),
        "include" | "exclude" => format!("{key}: {{match_type: strict, services: [a]}}"),
        _ => format!("{key}: [a]"),
    };
    match (processor, key.starts_with("action: ")) {
        ("attributes", true) => {
            format!("attributes: {{hash_key: '${{KEY}}', actions: [{{key: a, {key_and_value}}}]}}")
        }
        ("attributes", false) => {
            format!("attributes: {{actions: [{{key: a, action: delete}}], {key_and_value}}}")
        }
        _ => format!("{processor}: {{{key_and_value}}}"),
    }
}

fn read(text: &str) -> Result<(RedactorBuilder, Vec<String>), String> {
    let document = Document::parse("c.yaml", text.as_bytes(), |name| {
        (name.contains("KEY")).then(|| KEY.to_owned())
    });
    let read = RedactorBuilder::from_document(&document.unwrap(), None);
    read.map(|read| (read.value, read.warnings.iter().map(ToString::to_string).collect()))
        .map_err(|problems| problems.to_string())
}

#[test]
fn each_key_of_the_table_loads_as_it_states() {
    let rows = rows();
    assert!(rows.len() > 25, "{rows:?}");
    for [processor, key, state] in rows.into_iter().filter(|[processor, ..]| *processor != "filter")
    {
        let text = block(processor, key);
        let name = key.split(": ").next().unwrap();
        let (found, message) = match read(&text) {
            Err(error) => ("error", error),
            Ok((builder, warnings)) => {
                builder.build().unwrap_or_else(|error| panic!("{text}: {error}"));
                match warnings.as_slice() {
                    [] => ("yes", String::new()),
                    warnings => ("warning", warnings.join("\n")),
                }
            }
        };
        assert_eq!(found, state, "{text}: {message}");
        assert!(state == "yes" || message.contains(name), "the message names {name}: {message}");
    }
}

#[test]
fn the_table_has_each_key_that_the_code_knows() {
    for (processor, text) in [
        ("redaction", "redaction: {allow_all_keys: true, zzzzzzzzzzzz: 1}"),
        ("attributes", "attributes: {actions: [{key: a, action: delete}], zzzzzzzzzzzz: 1}"),
    ] {
        let error = read(text).map(drop).unwrap_err();
        let accepted = error.split_once("accepted is ").unwrap().1;
        let known: BTreeSet<&str> = accepted.split('`').skip(1).step_by(2).collect();
        let listed = rows().into_iter().filter(|[of, ..]| *of == processor);
        let mut listed: BTreeSet<&str> =
            listed.map(|[_, key, _]| key.split(": ").next().unwrap()).collect();
        if processor == "attributes" {
            // Its actions are rows of their own; the key of ours is in the text of a row.
            listed.remove("action");
            listed.extend(["actions", "hash_key"]);
        }
        assert_eq!(listed, known, "{processor}");
    }
}

#[test]
fn unkeyed_hashes_need_a_key_of_ours() {
    let (builder, warnings) =
        read("redaction: {allow_all_keys: true, blocked_values: [a], hash_function: MD5}").unwrap();
    assert_eq!(warnings.len(), 1);
    let error = builder.clone().build().unwrap_err().to_string();
    assert_eq!(
        error,
        "rule 0 (blocked_values[0]): it hashes without a key: set one of at least 16 bytes"
    );
    builder.with_hash_key(KEY).build().unwrap();
}

#[test]
fn the_section_of_the_page_loads() {
    let text = part("section").trim().trim_start_matches("```yaml").trim_end_matches("```");
    let (builder, warnings) = read(text).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(warnings, [""; 0]);
    // The rules of the page, built without the presets, which take their time.
    let (rules, _) = read(text.split_once("  presets:").unwrap().0).unwrap();
    rules.build().unwrap();
    drop(builder.with_rule(Rule::mask(["a"])));
}
