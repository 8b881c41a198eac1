//! The keys in which two settings differ.

use crate::settings::GatewaySettings;

/// Keys, each once.
#[derive(Default)]
pub(super) struct Keys(Vec<String>);

impl Keys {
    pub(super) fn add(&mut self, key: String) {
        if !self.0.contains(&key) {
            self.0.push(key);
        }
    }

    pub(super) fn compare<T: PartialEq>(&mut self, key: &str, before: &T, after: &T) {
        if before != after {
            self.add(key.to_owned());
        }
    }

    pub(super) fn add_gateway(&mut self, before: &GatewaySettings, after: &GatewaySettings) {
        self.compare("gateway.ring", &before.ring, &after.ring);
        self.compare("gateway.resolver", &before.resolver, &after.resolver);
        self.compare("gateway.own_name", &before.own_name, &after.own_name);
        self.compare("gateway.protocol.tls", &before.uses_tls, &after.uses_tls);
        // Values are compared, also those that no message shows.
        for (setting, ..) in before.transport.__changes(&after.transport) {
            self.add(format!("gateway.protocol.{}", key_of(setting)));
        }
        self.compare("gateway.queue_mib", &before.queue_bytes, &after.queue_bytes);
        let timeouts = (&before.unreachable_timeout, &after.unreachable_timeout);
        self.compare("gateway.unreachable_timeout", timeouts.0, timeouts.1);
    }

    pub(super) fn into_list(self) -> Vec<String> {
        self.0
    }
}

/// The key of a file of our own for a method of the builder of transports.
fn key_of(setting: &'static str) -> &'static str {
    match setting {
        "with_header" => "headers",
        "with_attempt_timeout" => "timeout",
        "with_export_timeout" => "retry",
        "with_certificate_file" => "tls.ca_file",
        "with_client_certificate_files" => "tls.cert_file and tls.key_file",
        "with_channels" => "keepalive",
        other => other.strip_prefix("with_").unwrap_or(other),
    }
}
