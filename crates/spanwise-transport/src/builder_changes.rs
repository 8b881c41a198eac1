//! The settings in which two builders differ.

use std::fmt;
use std::time::Duration;

use crate::tls_settings::{Identity, PemSource, Roots};
use crate::{Compression, Transport, TransportBuilder};

/// A setting in which two builders differ: the builder's method, and both values without secrets.
type Change = (&'static str, String, String);

impl Transport {
    /// The settings of the transport, for [`TransportBuilder::__changes`]; `None` with a sink.
    #[doc(hidden)]
    pub fn __settings(&self) -> Option<&TransportBuilder> {
        self.settings_of_builder()
    }
}

impl TransportBuilder {
    /// A copy that holds no code of the user's; `None` with a sink.
    pub(crate) fn settings_alone(&self) -> Option<Box<Self>> {
        if self.sink.is_some() {
            return None;
        }
        let mut settings = Box::new(self.clone());
        settings.observer = None;
        settings.connection.tls.observer = None;
        Some(settings)
    }

    /// The endpoint of requests, as [`Transport::destination`](crate::Transport::destination) prints it.
    #[doc(hidden)]
    pub fn __destination(&self) -> String {
        self.first_endpoint().to_string()
    }

    /// The settings in which `next` differs from this builder: observers, and the number of open connections,
    /// left out. Neither of both has a sink.
    // Hidden, because only a crate that replaces a running transport needs it.
    #[doc(hidden)]
    pub fn __changes(&self, next: &Self) -> Vec<Change> {
        let mut changes = Changes { before: self, next, found: Vec::new() };
        changes.add(
            "with_endpoint",
            |it| (it.first_endpoint(), it.further_endpoints.clone()),
            |it| {
                let further = it.further_endpoints.iter().map(ToString::to_string);
                let all = std::iter::once(it.first_endpoint().to_string()).chain(further);
                all.collect::<Vec<_>>().join(", ")
            },
        );
        changes.shown("with_protocol", |it| it.protocol);
        changes.add("with_header", |it| it.headers.clone(), |it| format!("{:?}", it.headers));
        changes.shown("with_compression", |it| it.compression.compression);
        let is_compressed = |it: &Self| it.compression.compression != Compression::None;
        if is_compressed(self) && is_compressed(next) {
            changes.shown("with_compression_level", |it| it.compression.level());
            changes.shown("with_compression_threshold", |it| it.compression.threshold);
        }
        changes.add("with_attempt_timeout", |it| it.attempt_timeout, |it| time(it.attempt_timeout));
        changes.add("with_export_timeout", |it| it.request_timeout, |it| time(it.request_timeout));
        changes.add(
            "with_max_throttle",
            |it| it.max_throttle,
            |it| it.max_throttle.map_or_else(|| "that of the timeouts".to_owned(), time),
        );
        changes.debug("with_retry", |it| it.retry);
        changes.debug("with_circuit_breaker", |it| it.circuit_breaker);
        changes.debug("with_max_response_bytes", |it| it.max_response_bytes);
        changes.debug("with_user_agent_prefix", |it| it.user_agent_prefix.clone());
        changes.add(
            "with_certificate_file",
            |it| it.connection.tls.roots.clone(),
            |it| match &it.connection.tls.roots {
                Roots::BuiltIn => "the built-in roots".to_owned(),
                Roots::System => "the roots of the operating system".to_owned(),
                Roots::Pem(source) => source.shown(),
            },
        );
        changes.add(
            "with_client_certificate_files",
            |it| it.connection.tls.identity.clone(),
            |it| {
                let shown =
                    |it: &Identity| [&it.certificates, &it.key].map(PemSource::shown).join(", ");
                it.connection.tls.identity.as_ref().map_or_else(|| "none".to_owned(), shown)
            },
        );
        changes.debug("with_crypto_provider", |it| it.connection.tls.provider);
        changes.debug("with_http_version", |it| it.connection.http_version);
        changes.debug("with_channels", |it| it.channels);
        changes.debug("with_endpoint_selection", |it| it.endpoint_selection);
        #[cfg(feature = "proxy")]
        changes.debug("with_proxy", |it| it.connection.proxy.clone());
        changes.found
    }
}

struct Changes<'a> {
    before: &'a TransportBuilder,
    next: &'a TransportBuilder,
    found: Vec<Change>,
}

impl Changes<'_> {
    fn add<T: PartialEq>(
        &mut self,
        setting: &'static str,
        value: impl Fn(&TransportBuilder) -> T,
        shown: impl Fn(&TransportBuilder) -> String,
    ) {
        if value(self.before) != value(self.next) {
            self.found.push((setting, shown(self.before), shown(self.next)));
        }
    }

    fn debug<T: PartialEq + fmt::Debug>(
        &mut self,
        setting: &'static str,
        value: impl Fn(&TransportBuilder) -> T,
    ) {
        self.add(setting, &value, |it| format!("{:?}", value(it)));
    }

    fn shown<T: PartialEq + fmt::Display>(
        &mut self,
        setting: &'static str,
        value: impl Fn(&TransportBuilder) -> T,
    ) {
        self.add(setting, &value, |it| value(it).to_string());
    }
}

fn time(time: Duration) -> String {
    if time == Duration::MAX { "no limit".to_owned() } else { format!("{time:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Headers, Protocol};

    #[test]
    fn changes_name_the_setting_and_show_no_secret() {
        let builder = |url: &str, header: &str| {
            TransportBuilder::default()
                .with_endpoint(url.parse().unwrap())
                .with_headers(Headers::parse(header).unwrap())
        };
        let before = builder("http://a:4318/?key=hunter2", "api-key=hunter2");
        assert_eq!(before.__changes(&before.clone()), []);
        let observed = before.clone().with_attempt_observer(|_| {});
        assert_eq!(before.__changes(&observed), [], "an observer is no setting");
        let level = before.clone().with_compression_level(3);
        assert_eq!(before.__changes(&level), [], "a level without compression has no effect");
        let gzip = before.clone().with_compression(Compression::Gzip);
        let level = gzip.__changes(&gzip.clone().with_compression_level(3));
        assert_eq!(level, [("with_compression_level", "1".to_owned(), "3".to_owned())]);
        let next = builder("https://b/?key=hunter2", "api-key=hunter2-new")
            .with_protocol(Protocol::HttpJson)
            .with_compression(Compression::Gzip)
            .with_attempt_timeout(Duration::MAX)
            .with_certificate_pem("hunter2")
            .with_client_certificate_files("cert.pem", "key.pem");
        let changes = before.__changes(&next);
        let names: Vec<_> = changes.iter().map(|(name, ..)| *name).collect();
        assert_eq!(
            names,
            [
                "with_endpoint",
                "with_protocol",
                "with_header",
                "with_compression",
                "with_attempt_timeout",
                "with_certificate_file",
                "with_client_certificate_files",
            ]
        );
        let text = format!("{changes:?}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("no limit") && text.contains("cert.pem, key.pem"), "{text}");
    }
}
