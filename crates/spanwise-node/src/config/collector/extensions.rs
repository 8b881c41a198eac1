//! Extensions: `health_check`, `file_storage` and `bearertokenauth`.

use super::component::{Component, kind};
use super::pipeline::named;
use crate::config::context::Context;
use crate::config::token;
use crate::config::values::{
    address, flag, not_supported, not_supported_if_true, path, without_effect,
};
use crate::settings::Secret;
use spanwise_config::{Field, hint};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The extensions that `service` names.
pub(super) struct Extensions<'d> {
    /// The endpoint of `health_check`.
    pub(super) admin: Option<SocketAddr>,
    storages: Vec<(&'d str, Option<PathBuf>)>,
    tokens: Vec<(&'d str, Option<Secret>)>,
    /// The names of the section.
    defined: Vec<&'d str>,
}

impl<'d> Extensions<'d> {
    pub(super) fn read(section: &Field<'d>, names: &Field<'d>, context: &Context<'_>) -> Self {
        let defined = section.entries().iter().map(|(name, _)| *name).collect();
        let mut extensions =
            Self { admin: None, storages: Vec::new(), tokens: Vec::new(), defined };
        for Component { kind, name, reference, field } in named("extensions", names, section) {
            match kind {
                "health_check" if extensions.admin.is_some() => {
                    reference.error("a second `health_check` is not supported: the node has one endpoint");
                }
                "health_check" => extensions.admin = health_check(&field),
                "file_storage" => extensions.storages.push((name, file_storage(&field))),
                "bearertokenauth" => extensions.tokens.push((name, bearer(&field, context))),
                "zpages" => reference.error("it is not supported: the endpoint of `health_check` has a live page"),
                other => reference.error(format!(
                    "extensions of the type `{other}` are not supported; accepted is `health_check`, `file_storage` or `bearertokenauth`"
                )),
            }
        }
        extensions
    }

    /// The directory of the storage that a queue names.
    pub(super) fn storage(&self, field: &Field<'_>) -> Option<PathBuf> {
        self.find(field, "file_storage", &self.storages)
    }

    /// The token of the authenticator that a block names.
    pub(super) fn token(&self, field: &Field<'_>) -> Option<Secret> {
        self.find(field, "bearertokenauth", &self.tokens)
    }

    fn find<T: Clone>(
        &self,
        field: &Field<'_>,
        wanted: &str,
        known: &[(&str, Option<T>)],
    ) -> Option<T> {
        let name = field.string()?;
        if let Some((_, value)) = known.iter().find(|(known, _)| *known == name) {
            // `None` after an error of the extension.
            return value.clone();
        }
        field.error(if kind(name) != wanted {
            format!("an extension of the type `{wanted}` is expected{}", hint(name, &[wanted]))
        } else if self.defined.contains(&name) {
            "`service.extensions` does not name the extension".to_owned()
        } else {
            format!("`extensions` has no such extension{}", hint(name, &self.defined))
        });
        None
    }
}

fn health_check(field: &Field<'_>) -> Option<SocketAddr> {
    let mapping = field.mapping(&[
        "endpoint",
        "path",
        "tls",
        "response_body",
        "check_collector_pipeline",
        "use_v2",
    ]);
    not_supported(&mapping, &["tls"], "the endpoint is plain text");
    not_supported(&mapping, &["response_body"], "answers have texts of their own");
    not_supported_if_true(
        &mapping,
        "use_v2",
        "`/healthz` and `/readyz` have the state of the node",
    );
    let reason = "`/readyz` has the state of the node";
    without_effect(&mapping, &["check_collector_pipeline"], reason);
    let path = mapping.get("path");
    if path.string().is_some_and(|path| !["/", "/healthz", "/readyz"].contains(&path)) {
        path.error("it is not supported: the node has `/healthz` and `/readyz`");
    } else if path.string().is_none_or(|path| path == "/") {
        field.warning(
            "probes need `/readyz`: at `/` is the live page, which answers 200 during a drain too",
        );
    }
    let endpoint = mapping.get("endpoint");
    match endpoint.has_value() {
        true => address(&endpoint),
        false => Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 13_133)),
    }
}

fn file_storage(field: &Field<'_>) -> Option<PathBuf> {
    let mapping = field.mapping(&[
        "directory",
        "timeout",
        "compaction",
        "fsync",
        "create_directory",
        "directory_permissions",
        "recreate",
    ]);
    let reason =
        "a spool has files of its own, which need neither locks with a timeout nor compaction";
    without_effect(&mapping, &["timeout", "compaction", "recreate"], reason);
    let reason = "a spool syncs by itself, and creates its directory for its owner alone";
    without_effect(&mapping, &["fsync", "create_directory", "directory_permissions"], reason);
    let directory = mapping.get("directory");
    match directory.has_value() {
        true => path(&directory),
        // The Collector's default.
        false => Some("/var/lib/otelcol/file_storage".into()),
    }
}

fn bearer(field: &Field<'_>, context: &Context<'_>) -> Option<Secret> {
    let mapping = field.mapping(&["scheme", "token", "tokens", "filename", "header"]);
    not_supported(&mapping, &["tokens"], "a receiver has one token: use `token` or `filename`");
    let scheme = mapping.get("scheme");
    if scheme.string().is_some_and(|scheme| !scheme.eq_ignore_ascii_case("bearer")) {
        scheme.error("it is not supported; accepted is `Bearer`");
    }
    let header = mapping.get("header");
    if header.string().is_some_and(|header| !header.eq_ignore_ascii_case("authorization")) {
        header.error("it is not supported; accepted is `Authorization`");
    }
    let (own, file) = (mapping.get("token"), mapping.get("filename"));
    if !own.has_value() && !file.has_value() && !mapping.get("tokens").has_value() {
        field.error("it has neither `token` nor `filename`");
    }
    if file.has_value() {
        file.warning("the token is read at the start and at each reload");
    }
    token::read(own, &file, context)
}

/// Whether a block turns something on: with `enabled: false`, it does not.
pub(super) fn is_enabled(mapping: &spanwise_config::Mapping<'_>) -> bool {
    !mapping.get("enabled").has_value() || flag(mapping, "enabled")
}
