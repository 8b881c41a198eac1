//! `otlp_http` and `otlp_grpc`.

use super::super::settings::{HEADERS, TIMEOUT};
use super::hidden::{self, Hidden};
use percent_encoding::percent_decode_str;
use spanwise_config::{Field, Mapping};
use spanwise_transport::{Compression, Endpoint, EndpointError, Headers, Protocol};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of an OTLP exporter.
pub(super) struct Otlp {
    pub(super) protocol: Protocol,
    /// With its scheme, except over gRPC.
    pub(super) endpoint: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
    /// The client's certificates and their key.
    pub(super) client_files: Option<(PathBuf, PathBuf)>,
    /// Later ones precede earlier ones.
    pub(super) headers: Vec<(String, String)>,
    /// The names of headers that came from variables, which nothing shows.
    pub(super) hidden_names: Vec<String>,
    pub(super) compression: Compression,
    /// [`Duration::ZERO`] is no limit.
    pub(super) timeout: Duration,
    /// A gRPC endpoint without a scheme is `http`.
    pub(super) insecure: bool,
    /// The paths that came from variables.
    pub(super) hidden: Hidden,
}

pub(super) fn http(field: &Field<'_>) -> Option<Otlp> {
    let fields = field.mapping(HTTP_KEYS);
    let encodings = [("protobuf", Protocol::HttpProtobuf), ("json", Protocol::HttpJson)];
    let protocol = fields.get("encoding").choice(&encodings).unwrap_or(Protocol::HttpProtobuf);
    let endpoint = fields.get("endpoint");
    if let Some(url) = endpoint.string()
        && let Err(error) = Endpoint::parse("endpoint", url)
    {
        refuse(&endpoint, &error);
    }
    let url = endpoint.string().map(str::to_owned);
    let tls = fields.get("tls").mapping(&["ca_file", "key_file", "cert_file"]);
    Some(common(&fields, &tls, protocol, url))
}

pub(super) fn grpc(field: &Field<'_>) -> Option<Otlp> {
    let fields = field.mapping(GRPC_KEYS);
    let tls = fields.get("tls").mapping(&["ca_file", "key_file", "cert_file", "insecure"]);
    let insecure = tls.get("insecure").boolean().unwrap_or(false);
    let endpoint = fields.get("endpoint");
    if let Some(url) = endpoint.string()
        && let Err(error) = Endpoint::parse_grpc("endpoint", url, insecure)
    {
        refuse(&endpoint, &error);
    }
    let url = endpoint.string().map(str::to_owned);
    Some(Otlp { insecure, ..common(&fields, &tls, Protocol::Grpc, url) })
}

fn refuse(endpoint: &Field<'_>, error: &EndpointError) {
    let accepted = "accepted is http://host:port or https://host:port, with a path if need be";
    // The variable has no effect beside the file.
    let here = |text: String| text.replace(HEADERS.generic_variable(), "`headers` of the exporter");
    let (error, problem) = (here(error.to_string()), here(error.problem().to_string()));
    hidden::error(endpoint, &error, &format!("{problem}; {accepted}"));
}

fn common(
    fields: &Mapping<'_>,
    tls: &Mapping<'_>,
    protocol: Protocol,
    endpoint: Option<String>,
) -> Otlp {
    let path = |key: &str| tls.get(key).string().map(PathBuf::from);
    let client_files = match (path("cert_file"), path("key_file")) {
        (Some(certificates), Some(key)) => Some((certificates, key)),
        (None, None) => None,
        (Some(_), None) => {
            tls.get("cert_file").error("key_file is missing: both have to name a file, or neither");
            None
        }
        (None, Some(_)) => {
            tls.get("key_file").error("cert_file is missing: both have to name a file, or neither");
            None
        }
    };
    let compressions =
        [("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)];
    let mut hidden = Hidden::default();
    ["ca_file", "cert_file", "key_file"].iter().for_each(|key| hidden.add(&tls.get(key)));
    let (headers, hidden_names) = headers(fields);
    hidden_names.iter().for_each(|name| hidden.add_text(name));
    let timeout = fields.get("timeout").integer(0..=i64::MAX);
    Otlp {
        protocol,
        endpoint,
        ca_file: path("ca_file"),
        client_files,
        headers,
        hidden_names,
        compression: fields.get("compression").choice(&compressions).unwrap_or(Compression::None),
        timeout: timeout.map_or(TIMEOUT.default_duration(), |millis| {
            Duration::from_millis(millis.unsigned_abs())
        }),
        insecure: false,
        hidden,
    }
}

/// `headers_list`, which `headers` precedes, and the names among them that are not in the text of the file.
fn headers(fields: &Mapping<'_>) -> (Vec<(String, String)>, Vec<String>) {
    let list = fields.get("headers_list").secret();
    let (mut headers, mut hidden) = (Vec::new(), Vec::new());
    for entry in
        list.string().unwrap_or_default().split(',').filter(|entry| !entry.trim().is_empty())
    {
        let parsed = entry.split_once('=').and_then(|(name, value)| {
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            Some((name.trim().to_owned(), value.into_owned()))
        });
        match parsed.filter(|(name, value)| Headers::new().with(name, value).is_ok()) {
            Some((name, value)) => {
                // A longer list is an error of the exporter; to look for each of its names would take the square of its length.
                let text = list.source().filter(|source| source.len() <= MAX_LIST_BYTES);
                if list.is_substituted() && !text.is_some_and(|text| text.contains(&name)) {
                    hidden.push(name.clone());
                }
                headers.push((name, value));
            }
            None => list.error(
                "an entry is no header; accepted is name=value,name2=value2, percent-encoded",
            ),
        }
    }
    for header in fields.get("headers").sequence() {
        let fields = header.mapping(&["name", "value"]);
        let (name, value) = (fields.get("name").required(), fields.get("value").secret());
        let Some(name_text) = name.string() else { continue };
        let text = value.string().unwrap_or_default();
        if Headers::new().with(name_text, "").is_err() {
            name.error("it is no header name");
        } else if Headers::new().with(name_text, text).is_err() {
            value.error("it has characters that a header value cannot have");
        } else {
            headers.push((name_text.to_owned(), text.to_owned()));
            if name.is_substituted() {
                hidden.push(name_text.to_owned());
            }
        }
    }
    (headers, hidden)
}

/// 0 is no limit.
pub(super) fn limit(timeout: Duration) -> Duration {
    if timeout.is_zero() { Duration::MAX } else { timeout }
}

/// Without the values of the headers.
impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

/// The bytes of all headers that an exporter accepts.
const MAX_LIST_BYTES: usize = 16 << 10;
const HTTP_KEYS: &[&str] =
    &["endpoint", "tls", "headers", "headers_list", "compression", "timeout", "encoding"];
const GRPC_KEYS: &[&str] =
    &["endpoint", "tls", "headers", "headers_list", "compression", "timeout"];
