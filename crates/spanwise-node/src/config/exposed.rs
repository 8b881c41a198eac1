//! Listeners that other machines reach.

use super::context::Context;
use crate::settings::ReceiverSettings;
use spanwise_config::Field;
use std::net::IpAddr;

/// Reports a listener that other machines reach without TLS or without authentication. `is_permitted`: the file permits it.
pub(super) fn check(
    endpoint: &Field<'_>,
    receiver: &ReceiverSettings,
    is_permitted: bool,
    context: &Context<'_>,
) {
    if receiver.unix_socket.is_some() || is_loopback(receiver.address.ip()) {
        return;
    }
    let has_client_ca = receiver.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
    let missing = match (receiver.tls.is_some(), has_client_ca || receiver.bearer_token.is_some()) {
        (true, true) => return,
        (true, false) => "it has neither a token nor authorities of client certificates",
        (false, true) => "it has no TLS: tokens and spans are readable on the way",
        (false, false) => {
            "it has no TLS, and neither a token nor authorities of client certificates"
        }
    };
    let reached = format!("other machines reach it, and {missing}");
    match is_permitted || context.options.insecure_listeners {
        true => endpoint.warning(reached),
        false => endpoint.error(format!(
            "{reached}; set them, listen on 127.0.0.1, or permit it with `--insecure-listeners`, in a spanwise-node file also with \
             `insecure: true`"
        )),
    }
}

/// Also of an IPv4 address within IPv6.
pub(super) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
