//! The readers of both kinds of files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod collector;
mod files;
mod node_file;
mod subsets;

use spanwise_config::{Document, Read};
use spanwise_node::settings::NodeSettings;
use spanwise_node::{ConfigError, ConfigOptions};

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "TOKEN" => "t0ken-0f-the-environment",
        "HEADER" => "he4der-0f-the-environment",
        _ => return None,
    };
    Some(value.to_owned())
}

fn read_with(text: &str, options: &ConfigOptions) -> Result<Read<NodeSettings>, ConfigError> {
    let document = Document::parse("node.yaml", text.as_bytes(), environment)?;
    NodeSettings::from_document(&document, options)
}

fn read(text: &str) -> Result<Read<NodeSettings>, ConfigError> {
    read_with(text, &ConfigOptions::default())
}

fn settings(text: &str) -> NodeSettings {
    read(text).unwrap_or_else(|error| panic!("{error}")).value
}

/// The errors of a file, each without its file.
fn errors(text: &str) -> Vec<String> {
    match read(text) {
        Ok(_) => Vec::new(),
        Err(error) => error
            .to_string()
            .lines()
            .map(|line| line.trim_start_matches("node.yaml:").to_owned())
            .collect(),
    }
}

/// Checks that a file has exactly one error, which begins with `expected`.
fn check_error(text: &str, expected: &str) {
    let errors = errors(text);
    assert!(
        errors.len() == 1 && errors.iter().all(|error| error.starts_with(expected)),
        "{text}\nexpected: {expected}\nfound: {errors:#?}"
    );
}
