//! The presets of `docs/redaction.md` do as its table states.

use crate::support;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use spanwise_redact::{Preset, Redactor};
use std::collections::BTreeSet;
use support::{attributes, span, text};

const PAGE: &str = include_str!("../../../../docs/redaction.md");

/// The text between the backticks of a cell.
fn codes(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn each_example_of_the_table_is_changed_by_its_rule() {
    let table = PAGE.split_once("<!-- presets:begin -->").unwrap().1;
    let table = table.split_once("<!-- presets:end -->").unwrap().0;
    let redactor = Redactor::builder().with_all_presets().build().unwrap();
    let mut listed = BTreeSet::new();
    for row in table.lines().filter(|line| line.contains('`')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, _, rule, before, after, _] = cells[..] else { panic!("{row}") };
        let rule = codes(rule)[0];
        let (key, before) = match codes(before)[..] {
            [key, before] => (key, before),
            [before] => ("note", before),
            _ => panic!("{row}"),
        };
        let input = [(key, text(before))];
        let out = attributes(&redactor, &input);
        assert_eq!(out[0].1, Value::StringValue(codes(after)[0].to_owned()), "{row}");
        let span = span(input);
        let bytes = prost::Message::encode_to_vec(&span);
        let rules: Vec<String> = redactor.explain(&bytes).into_iter().map(|it| it.name).collect();
        assert_eq!(rules, [rule], "{row}");
        listed.insert(rule.to_owned());
    }
    let rules = Preset::ALL.into_iter().flat_map(Preset::rules);
    assert_eq!(listed, rules.map(|rule| rule.name().to_owned()).collect());
}
