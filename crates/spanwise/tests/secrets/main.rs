//! Secrets given to Spanwise appear in no `Debug`, no `Display`, no error and no diagnostic.
//!
//! The tests put one secret into every place that can hold one: the user info and the query of URLs,
//! header values, a sampler's argument, a certificate, a request. They print each public type that
//! holds settings, and search the text for the secret. A second test reads the sources, so that a new
//! type has to be listed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod config;
mod explained;
mod export;
mod listed;
mod plug_ins;
mod printed;
mod provider;
mod redaction;
mod samplers;
mod transport;

use listed::{PRINTED, WITHOUT_SETTINGS};
use printed::Printed;
use std::collections::BTreeSet;
use std::path::Path;

#[tokio::test]
async fn no_printable_type_shows_a_secret() {
    let printed = Printed::default();
    provider::settings_that_are_refused_do_not_show_their_secrets(&printed);
    provider::a_provider_that_runs_does_not_show_its_secrets(&printed);
    provider::a_reload_does_not_show_its_secrets(&printed);
    transport::a_transport_does_not_show_its_secrets(&printed).await;
    config::configuration_files_do_not_show_their_secrets(&printed);
    explained::settings_in_force_do_not_show_their_secrets(&printed);
    export::an_exporter_does_not_show_its_secrets(&printed);
    export::propagators_and_buffers_do_not_show_their_contents(&printed);
    plug_ins::plug_ins_do_not_show_their_secrets(&printed);
    redaction::redaction_does_not_show_its_secrets(&printed);
    samplers::samplers_do_not_show_their_secrets(&printed);
    provider::a_receiver_does_not_show_what_it_was_sent(&printed);
    printed.check();
    let seen = printed.types.lock().unwrap();
    let missing: Vec<_> = names(PRINTED).filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "listed, but not printed: {missing:?}; seen: {seen:?}");
}

fn names(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split_whitespace()
}

/// A test above prints each public type, or the type holds data of Spanwise alone, or it shows the
/// content of spans and text on purpose.
#[test]
fn every_public_type_is_listed() {
    let listed: BTreeSet<_> = names(PRINTED).chain(names(WITHOUT_SETTINGS)).collect();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeSet::new();
    for member in std::fs::read_dir(crates).unwrap() {
        let member = member.unwrap();
        // A crate of a binary alone has no public type.
        let is_library = member.path().join("src/lib.rs").exists();
        // The node is a program, and its own tests print its settings.
        let left_out = ["spanwise-testkit", "spanwise-sim", "spanwise-node"];
        if is_library && !left_out.iter().any(|name| member.file_name() == *name) {
            let name = member.file_name().into_string().unwrap();
            let name = name.strip_prefix("spanwise-").unwrap_or("spanwise").to_owned();
            public_types(&name, &member.path().join("src"), &mut found);
        }
    }
    assert!(found.len() > 100, "{found:?}");
    let found: BTreeSet<_> = found.iter().map(String::as_str).collect();
    let unlisted: Vec<_> = found.difference(&listed).collect();
    assert!(
        unlisted.is_empty(),
        "print them in a test above, or list them as without settings: {unlisted:?}"
    );
    let stale: Vec<_> = listed.difference(&found).collect();
    assert!(stale.is_empty(), "no source declares these: {stale:?}");
}

fn public_types(member: &str, folder: &Path, found: &mut BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            public_types(member, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            for line in source.lines().map(str::trim_start) {
                let declared = ["pub struct ", "pub enum ", "pub union "];
                let Some(rest) = declared.iter().find_map(|kind| line.strip_prefix(kind)) else {
                    continue;
                };
                let name: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.insert(format!("{member}::{name}"));
            }
        }
    }
}
