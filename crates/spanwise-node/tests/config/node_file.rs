//! Our own file.

use super::{check_error, errors, read, read_with, settings};
use spanwise_node::settings::{LogFormat, MemoryLimit, Processor, Resolver, Role, Target};
use spanwise_node::{ConfigOptions, ExitKind};
use std::time::Duration;

#[test]
fn the_smallest_file_has_the_defaults() {
    let node =
        settings("destinations: [{name: backend, otlp: {endpoint: 'https://otlp.example.com'}}]");
    assert_eq!(node.role, Role::Both);
    assert_eq!(node.memory, MemoryLimit::Share(0.5));
    let addresses: Vec<String> = node.receivers.iter().map(|it| it.address.to_string()).collect();
    assert_eq!(addresses, ["127.0.0.1:4317", "127.0.0.1:4318"]);
    assert!(node.processors.is_empty() && node.tail_sampling.is_none() && node.gateway.is_none());
    assert_eq!((node.admin, node.shutdown_timeout), (None, Duration::from_secs(10)));
    assert_eq!(node.logs, LogFormat::Text);
    let [backend] = &*node.destinations else { panic!("{:?}", node.destinations) };
    assert_eq!((&*backend.name, backend.spool.as_ref()), ("backend", None));
}

const FULL: &str = include_str!("files/node.yaml");

#[test]
fn each_section_is_read() {
    let node = settings(FULL);
    assert_eq!(node.memory, MemoryLimit::Bytes(512 << 20));
    let [clients, socket, peers] = &*node.receivers else { panic!("{:?}", node.receivers) };
    assert_eq!(clients.bearer_token.as_ref().unwrap().0.as_ref(), "t0ken-0f-the-environment");
    assert_eq!((clients.max_request_bytes, clients.max_connections), (4 << 20, 64));
    assert_eq!(clients.max_connection_age, Some(Duration::from_secs(300)));
    assert_eq!((socket.max_connection_age, peers.max_connection_age), (None, None));
    assert_eq!(clients.tls.as_ref().unwrap().client_ca_file, None);
    assert_eq!(socket.unix_socket.as_deref().unwrap().to_str(), Some("/run/spanwise/otlp.sock"));
    assert!(peers.is_for_peers && !clients.is_for_peers);
    // The order of the file.
    assert!(matches!(
        &*node.processors,
        [Processor::Probabilistic(_), Processor::Redact(_), Processor::Filter(_)]
    ));
    let tail = node.tail_sampling.unwrap();
    assert_eq!((tail.decision_wait, tail.policies.len()), (Duration::from_secs(5), 1));
    let gateway = node.gateway.unwrap();
    assert_eq!(gateway.own_name.as_deref(), Some("a:4317"));
    let hostnames = ["a:4317", "b:4317"].map(str::to_owned).to_vec();
    assert_eq!(gateway.resolver, Resolver::Static(hostnames));
    assert!(gateway.uses_tls && gateway.queue_bytes == Some(32 << 20));
    let [backend, file, debug] = &*node.destinations else { panic!("{:?}", node.destinations) };
    assert!(matches!(backend.target, Target::Otlp(_)) && matches!(debug.target, Target::Debug));
    assert_eq!((backend.queue_bytes, backend.max_concurrent_requests), (Some(64 << 20), 8));
    let batch = (backend.max_batch_spans, backend.max_batch_bytes, backend.batch_timeout);
    assert_eq!(batch, (1_000, 100_000, Duration::from_secs(1)));
    let spool = backend.spool.as_ref().unwrap();
    assert_eq!((spool.settings.max_bytes, spool.settings.max_age.as_secs()), (64 << 20, 3_600));
    let Target::File { max_bytes, .. } = &file.target else { panic!("{file:?}") };
    assert_eq!(*max_bytes, Some(10 << 20));
    assert_eq!(node.state_directory.unwrap().to_str(), Some("/var/lib/spanwise/state"));
    assert_eq!(node.logs, LogFormat::Json);
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let text = include_str!("files/node-with-mistakes.yaml");
    let expected = [
        "2:7: role: `gatway` is not known; did you mean `gateway`?",
        "3:43: memory.limit_percentage: `limit_mib` is there too",
        "4:1: recievers: unknown key; did you mean `receivers`?",
        "6:15: receivers[0].endpoint: other machines reach it, and it has no TLS",
        "7:15: receivers[1].endpoint: an IP address or `localhost`, and a port",
        "8:39: receivers[2].tls.key_file: it is required",
        "8:73: receivers[2].bearer_token: the token has characters",
        "9:27: tail_sampling.policies: at least one policy is required",
        "11:32: destinations[0].otlp.endpoint: endpoint=`otlp.example.com`: it has no scheme",
        "12:62: destinations[1].otlp.headers.\"x…\": ",
        "12:74: destinations[1].spool.directory: it is required",
        "13:5: destinations[2]: exactly one of `otlp`, `file` or `debug` is expected",
        "14:19: admin.endpoint: a string is expected; put `13133` in quotes",
        "15:16: logs.format: `xml` is not known",
    ];
    let found = errors(text);
    let is_each = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
    assert!(is_each, "{found:#?}");
}

#[test]
fn a_role_needs_its_sections() {
    check_error("role: sampler", "1:1: destinations: at least one destination is required");
    check_error("role: gateway", "1:1: gateway: the role `gateway` needs it");
    let gateway = "gateway: {resolver: {static: {hostnames: ['a:1', 'b:1']}}, protocol: {tls: {insecure: true}}";
    let destination = "destinations: [{name: d, debug: {}}]";
    let found = errors(&format!("{gateway}}}\n{destination}"));
    let expected =
        ["1:10: gateway.own_name: it is required", "1:10: gateway.peer_receiver: it is required"];
    assert!(
        found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected)),
        "{found:?}"
    );
    let both = format!(
        "{gateway}, own_name: 'c:1', peer_receiver: {{endpoint: '127.0.0.1:5'}}}}\n{destination}"
    );
    check_error(&both, "1:105: gateway.own_name: it is none of `resolver.static.hostnames`");
    let other = format!("role: gateway\n{gateway}, own_name: 'a:1'}}");
    check_error(&other, "2:105: gateway.own_name: only the role `both` has it");
    let options = |role| {
        let mut options = ConfigOptions::default();
        options.role = Some(role);
        options
    };
    // One file for several roles: the flag selects, and the rest has no effect.
    let text = format!("{gateway}}}\n{destination}");
    let node = read_with(&text, &options(Role::Gateway)).unwrap();
    assert!(node.value.destinations.is_empty() && node.value.gateway.is_some());
    assert_eq!(node.warnings.len(), 1, "{:?}", node.warnings);
    let node = read_with(&text, &options(Role::Sampler)).unwrap();
    assert!(node.value.gateway.is_none() && node.value.destinations.len() == 1);
}

#[test]
fn a_listener_that_other_machines_reach_is_protected_or_permitted() {
    let tls = "tls: {cert_file: c, key_file: k";
    let text = |receiver: &str| {
        format!("receivers: [{{endpoint: '{receiver}}}]\ndestinations: [{{name: d, debug: {{}}}}]")
    };
    for accepted in [
        "127.0.0.9:1'".to_owned(),
        "[::1]:1'".to_owned(),
        "[::ffff:127.0.0.1]:1'".to_owned(),
        "localhost:1'".to_owned(),
        format!("0.0.0.0:1', bearer_token: '${{TOKEN}}', {tls}}}"),
        format!("0.0.0.0:1', {tls}, client_ca_file: a}}"),
        "0.0.0.0:1', insecure: true".to_owned(),
    ] {
        assert_eq!(errors(&text(&accepted)), [""; 0], "{accepted}");
    }
    for (refused, missing) in [
        ("0.0.0.0:1'".to_owned(), "it has no TLS, and neither"),
        (":1'".to_owned(), "it has no TLS, and neither"),
        ("10.0.0.1:1', bearer_token: '${TOKEN}'".to_owned(), "it has no TLS: tokens"),
        (format!("[::]:1', {tls}}}"), "it has neither a token"),
    ] {
        let text = text(&refused);
        check_error(
            &text,
            &format!("1:24: receivers[0].endpoint: other machines reach it, and {missing}"),
        );
        let mut options = ConfigOptions::default();
        options.insecure_listeners = true;
        let permitted = read_with(&text, &options).unwrap();
        assert_eq!(permitted.warnings.len(), 1, "{:?}", permitted.warnings);
    }
}

#[test]
fn a_token_file_that_cannot_be_read_has_a_kind_of_its_own() {
    let text = "receivers: [{endpoint: '127.0.0.1:1', bearer_token_file: /nonexistent/token}]\n";
    let destination = "destinations: [{name: d, debug: {}}]\n";
    let error = read(&format!("{text}{destination}")).unwrap_err();
    assert_eq!(error.kind(), ExitKind::Key, "{error}");
    let error = read(&format!("{text}{destination}rolle: both\n")).unwrap_err();
    assert_eq!(error.kind(), ExitKind::Settings, "{error}");
}

#[test]
fn no_error_and_no_debug_shows_a_secret() {
    let secrets = ["t0ken", "he4der", "s3cret"];
    let check = |text: String| {
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
    };
    check(format!("{:?}", settings(FULL)));
    let text = "
receivers:
  - {endpoint: '127.0.0.1:1', bearer_token: 's3cret s3cret'}
  - {endpoint: '127.0.0.1:2', bearer_token: [s3cret]}
  - {endpoint: '127.0.0.1:3', bearer_token: \"s3cret\\u00e4\"}
destinations:
  - {name: a, otlp: {endpoint: 'https://u:s3cret@x', headers: {authorization: \"s3cret\\n\", a: [s3cret], b: s3cret: c}}}
  - {name: b, otlp: {endpoint: '${TOKEN} ${HEADER}', headers: [{name: a, value: \"s3cret\\n\"}, {name: '', value: {s3cret: s3cret}}]}}
  - {name: c, otlp: {endpoint: 'https://x', headers: 's3cret'}}
  - {name: d, otlp: {endpoint: 'https://x', headers: {n: '${TOKEN} \u{e}'}}}
";
    let found = read(text)
        .map(|read| format!("{:?}", read.warnings))
        .unwrap_or_else(|error| error.to_string());
    check(found);
}

#[test]
fn a_setting_that_a_start_would_refuse_is_a_mistake_of_the_file() {
    let destination = "destinations: [{name: d, debug: {}}]";
    check_error(
        &format!("memory: {{limit_mib: 31}}\n{destination}"),
        "1:21: memory.limit_mib: accepted are 32 MiB or more",
    );
    check_error(
        &format!("admin: {{endpoint: '127.0.0.1:4317'}}\n{destination}"),
        "1:19: admin.endpoint: a receiver has the same address",
    );
    check_error(
        &format!("admin: {{endpoint: '127.0.0.1:1', allowed_hosts: ['a:1']}}\n{destination}"),
        "1:50: admin.allowed_hosts[0]: a name without a port is expected",
    );
    check_error(
        &format!("admin: {{allowed_hosts: [a]}}\n{destination}"),
        "1:8: admin.endpoint: it is required",
    );
    check_error(
        &format!(
            "receivers: [{{name: a, endpoint: '127.0.0.1:1'}}, {{name: a, endpoint: '127.0.0.1:2'}}]\n{destination}"
        ),
        "1:56: receivers[1].name: another receiver has the same name",
    );
    let spools = "[{name: a, debug: {}, spool: {directory: /tmp/x/../s}}, {name: b, debug: {}, spool: {directory: /tmp/s}}]";
    check_error(
        &format!("destinations: {spools}"),
        "1:111: destinations[1].spool.directory: it is also `destinations[0].spool.directory`",
    );
    check_error(
        "state: {directory: /tmp/s/.}\ndestinations: [{name: a, file: {path: /tmp/s}}]",
        "1:20: state.directory: it is also `destinations[0].file.path`",
    );
    let hosts =
        "gateway: {resolver: {static: {hostnames: ['a:b:c']}}, protocol: {tls: {insecure: true}}}";
    check_error(
        &format!("role: gateway\n{hosts}"),
        "2:43: gateway.resolver.static.hostnames[0]: a host and a port are expected",
    );
}

#[test]
fn a_request_in_front_of_a_spool_has_the_time_for_an_attempt() {
    let limit = |retry: &str| {
        let text = format!(
            "destinations: [{{name: d, otlp: {{endpoint: 'http://a'{retry}}}, spool: {{directory: /tmp/s}}}}]"
        );
        let read = read(&text).unwrap();
        let shown = format!("{:?}", read.value.destinations[0].target);
        (shown, read.warnings.len())
    };
    assert!(limit("").0.contains("request_timeout: 11s"), "{}", limit("").0);
    assert!(limit(", timeout: 30s").0.contains("request_timeout: 31s"));
    assert!(limit(", timeout: 1s").0.contains("request_timeout: 5s"));
    let (shown, warnings) = limit(", retry: {max_elapsed_time: 3s}");
    assert!(shown.contains("request_timeout: 3s"));
    assert_eq!(warnings, 1);
    assert_eq!(limit(", retry: {max_elapsed_time: 0}").1, 1);
}

#[test]
fn a_receiver_without_a_name_has_that_of_its_place() {
    let destination = "destinations: [{name: d, debug: {}}]";
    let names = |text: &str| -> Vec<String> {
        let read = read(text).unwrap();
        read.value.receivers.into_iter().map(|receiver| receiver.name).collect()
    };
    assert_eq!(names(destination), ["receivers[0]", "receivers[1]"]);
    let receivers = "receivers: [{name: a, endpoint: '127.0.0.1:1'}, {endpoint: '127.0.0.1:2'}]";
    assert_eq!(names(&format!("{receivers}\n{destination}")), ["a", "receivers[1]"]);
}

#[test]
fn a_peer_that_has_less_time_than_an_attempt_is_a_warning() {
    let warnings = |timeout: &str| {
        let text = format!(
            "role: gateway\ngateway: {{resolver: {{static: {{hostnames: ['a:1']}}}}, protocol: {{timeout: 2s, tls: {{insecure: true}}}}, unreachable_timeout: {timeout}}}"
        );
        read(&text).map(|read| read.warnings.len()).map_err(|error| error.to_string())
    };
    assert_eq!(warnings("4s"), Ok(0));
    assert_eq!(warnings("3s"), Ok(1));
    let error = warnings("900ms").unwrap_err();
    assert!(error.contains("gateway.unreachable_timeout: it is 900ms: at least 1s is accepted"));
}
