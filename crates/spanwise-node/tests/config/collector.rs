//! A file of the Collector.

use super::{check_error, errors, read, read_with, settings};
use spanwise_node::ConfigOptions;
use spanwise_node::settings::{MemoryLimit, Processor, Resolver, Role, Target};
use std::time::Duration;

const SAMPLER: &str = include_str!("files/collector-sampler.yaml");
const GATEWAY: &str = include_str!("files/collector-gateway.yaml");

#[test]
fn each_component_of_a_sampler_is_read() {
    let node = settings(SAMPLER);
    assert_eq!((node.role, node.memory), (Role::Sampler, MemoryLimit::Bytes(800 << 20)));
    let [grpc, http, local] = &*node.receivers else { panic!("{:?}", node.receivers) };
    assert_eq!(grpc.name, "receivers.otlp.protocols.grpc");
    assert_eq!((grpc.max_request_bytes, grpc.max_concurrent_streams), (8 << 20, 50));
    assert!(grpc.bearer_token.is_some() && grpc.tls.is_some() && http.tls.is_none());
    assert_eq!(
        (http.address.to_string(), http.max_request_bytes),
        ("127.0.0.1:4318".into(), 20 << 20)
    );
    assert_eq!(local.unix_socket.as_deref().unwrap().to_str(), Some("/run/otelcol.sock"));
    assert!(matches!(
        &*node.processors,
        [
            Processor::Redact(_),
            Processor::Redact(_),
            Processor::Filter(_),
            Processor::Probabilistic(_)
        ]
    ));
    assert_eq!(node.tail_sampling.unwrap().decision_wait, Duration::from_secs(10));
    let [backend, archive, file, debug] = &*node.destinations else {
        panic!("{:?}", node.destinations)
    };
    assert_eq!(backend.max_concurrent_requests, 4);
    assert_eq!((backend.max_batch_spans, backend.batch_timeout), (1_000, Duration::from_secs(1)));
    let spool = backend.spool.as_ref().unwrap();
    assert_eq!(spool.directory.to_str(), Some("/var/lib/otelcol/otlp_backend"));
    assert_eq!((archive.queue_bytes, archive.max_concurrent_requests), (Some(64 << 20), 10));
    // The batch of the queue precedes the processor.
    assert_eq!((archive.max_batch_spans, archive.batch_timeout), (100, Duration::from_secs(2)));
    assert!(matches!(file.target, Target::File { max_bytes: None, .. }));
    assert!(matches!(debug.target, Target::Debug));
    assert_eq!(node.admin.unwrap().address.to_string(), "127.0.0.1:13133");
}

#[test]
fn a_load_balancing_exporter_makes_a_gateway() {
    let node = settings(GATEWAY);
    assert_eq!((node.role, node.destinations.len()), (Role::Gateway, 0));
    let MemoryLimit::Share(share) = node.memory else { panic!("{:?}", node.memory) };
    assert!((share - 0.6).abs() < 1e-9, "{share}");
    let gateway = node.gateway.unwrap();
    assert_eq!((gateway.uses_tls, gateway.queue_bytes), (false, Some(8 << 20)));
    let Resolver::Dns { hostname, port, interval, .. } = gateway.resolver else { panic!() };
    assert_eq!(hostname, "samplers.tracing.svc.cluster.local");
    assert_eq!((port, interval), (None, Duration::from_secs(10)));
}

#[test]
fn a_role_of_the_command_line_agrees_with_the_pipeline() {
    let with = |text: &str, role| {
        let mut options = ConfigOptions::default();
        options.role = Some(role);
        read_with(text, &options).map(|read| read.value.role).map_err(|error| error.to_string())
    };
    assert_eq!(with(SAMPLER, Role::Both), Ok(Role::Sampler));
    assert_eq!(with(GATEWAY, Role::Gateway), Ok(Role::Gateway));
    for (text, role) in [(SAMPLER, Role::Gateway), (GATEWAY, Role::Sampler), (GATEWAY, Role::Both)]
    {
        assert!(with(text, role).unwrap_err().contains("`--role "), "{role:?}");
    }
}

#[test]
fn a_component_without_a_pipeline_is_a_warning() {
    let warnings = read(SAMPLER).unwrap().warnings;
    let [probes, unused, batches] = &*warnings else { panic!("{warnings:#?}") };
    assert_eq!(probes.path(), "extensions.health_check");
    assert_eq!(unused.path(), "extensions.bearertokenauth/unused");
    assert!(unused.message().starts_with("it has no effect"), "{unused}");
    assert!(batches.message().contains("different values of `batch`"), "{batches}");
}

#[test]
fn a_connection_has_the_age_of_its_keep_alive() {
    let (line, keys) =
        ("        max_concurrent_streams: 50", "        keepalive: {server_parameters: ");
    for (given, age) in [("0s", None), ("10ms", Some(1)), ("5m", Some(300))] {
        let text = with(line, &format!("{keys}{{max_connection_age: {given}}}}}"));
        let age = age.map(Duration::from_secs);
        assert_eq!(settings(&text).receivers[0].max_connection_age, age, "{given}");
    }
    for (others, reason) in [
        (
            "max_connection_age_grace: 1m",
            "it has no effect: open requests of an old connection have 30 s",
        ),
        (
            "max_connection_idle: 1m",
            "it has no effect: a connection without requests ends after 60 s",
        ),
        ("time: 1m", "it has no effect: the node pings its clients every 20 s"),
    ] {
        let text = with(line, &format!("{keys}{{{others}}}}}"));
        let warnings = read(&text).unwrap().warnings;
        assert!(warnings.iter().any(|it| it.message() == reason), "{others}: {warnings:?}");
    }
    let text = with(line, &format!("{keys}{{max_connection_ages: 1m}}}}"));
    assert!(errors(&text)[0].contains("did you mean `max_connection_age`?"));
}

/// The sampler's file with one line replaced by others.
fn with(line: &str, by: &str) -> String {
    assert_eq!(SAMPLER.matches(line).count(), 1, "{line}");
    SAMPLER.replace(line, by)
}

#[test]
fn each_part_that_a_node_has_not_is_an_error_with_its_line_and_reason() {
    let check = |line: &str, by: &str, expected: &str| {
        let text = with(line, by);
        let found = errors(&text);
        // The last line of the replacement.
        let before = SAMPLER.split(line).next().unwrap_or_default();
        let number = before.matches('\n').count() + by.lines().count();
        let begins = format!("{number}:");
        let is_one = found.len() == 1
            && found.iter().all(|it| it.starts_with(&begins) && it.contains(expected));
        assert!(is_one, "{by}\nexpected: {begins} {expected}\nfound: {found:#?}");
    };
    // Receivers.
    let grpc = "        max_concurrent_streams: 50";
    check(
        grpc,
        "        middlewares: [{id: x}]",
        "grpc.middlewares: it is not supported: the node runs no code of others",
    );
    check(
        grpc,
        "        max_concurrent_strems: 50",
        "unknown key; did you mean `max_concurrent_streams`?",
    );
    check(
        "      http:\n",
        "      http: {cors: {allowed_origins: ['*']}}\n",
        "http.cors: it is not supported: browsers",
    );
    check("      http:\n", "      http: {response_headers: {a: b}}\n", "it is not supported");
    check("      http:\n", "      http: {traces_url_path: /x}\n", "accepted is `/v1/traces`");
    check(
        "      http:\n",
        "      http: {endpoint: '0.0.0.0:1'}\n",
        "other machines reach it, and it has no TLS",
    );
    check("      http:\n", "      http: {tls: {cert_pem: x}}\n", "a receiver reads files");
    check(
        "          cert_file: tls.pem",
        "          cert_file: c\n          min_version: '1.3'",
        "min_version: it is not supported: TLS 1.2 and 1.3",
    );
    check(
        "          cert_file: tls.pem",
        "          cert_file: c\n          cipher_suites: [x]",
        "cipher_suites: it is not supported",
    );
    check(
        "          authenticator: bearertokenauth/clients",
        "          authenticator: bearertokenauth/unused",
        "`service.extensions` does not name the extension",
    );
    check(
        "          authenticator: bearertokenauth/clients",
        "          authenticator: bearertokenauth/client",
        "did you mean `bearertokenauth/clients`?",
    );
    check(
        "          authenticator: bearertokenauth/clients",
        "          authenticator: oidc",
        "an extension of the type `bearertokenauth` is expected",
    );
    // Extensions.
    check(
        "    endpoint: 127.0.0.1:13133",
        "    path: /status",
        "health_check.path: it is not supported",
    );
    check(
        "    endpoint: 127.0.0.1:13133",
        "    tls: {cert_file: x}",
        "health_check.tls: it is not supported",
    );
    check(
        "  extensions: [health_check,",
        "  extensions: [health_check, pprof,",
        "`extensions` has no such component",
    );
    // Processors.
    check("    spike_limit_mib: 200", "    spike_limit_mib: 1000", "nothing would be accepted");
    check(
        "      - {key: http.request.header.cookie, action: delete}",
        "      - {key: a, value: b, action: insert}",
        "`insert` is not supported",
    );
    check(
        "    send_batch_size: 1000",
        "    metadata_keys: [tenant]",
        "batch.metadata_keys: it is not supported",
    );
    check(
        "probabilistic_sampler, tail_sampling, batch]",
        "tail_sampling, probabilistic_sampler, batch]",
        "it is behind `tail_sampling`, which is not supported",
    );
    // Exporters.
    let endpoint = "    endpoint: otlp.example.com:4317";
    check(
        endpoint,
        "    endpoint: http://otlp.example.com:4317",
        "uses TLS for it in spite of `http`",
    );
    check(
        endpoint,
        "    endpoint: dns:///otlp.example.com:4317",
        "gRPC's names with a scheme are not supported",
    );
    let add =
        |key: &str, expected: &str| check(endpoint, &format!("{endpoint}\n    {key}"), expected);
    add("authority: x", "authority: it is not supported");
    add("balancer_name: mine", "balancer_name: it is not supported");
    add("compression: snappy", "`snappy` is not supported; accepted is `none`, `gzip` or `zstd`");
    add("batcher: {}", "batcher: it is not supported: write `sending_queue.batch`");
    add("retry_on_failure: {enabled: false}", "retry_on_failure.enabled: it is not supported");
    add(
        "tls: {insecure_skip_verify: true}",
        "insecure_skip_verify: it is not supported: certificates are verified",
    );
    add("tls: {server_name_override: x}", "server_name_override: it is not supported");
    add(
        "tls: {include_system_ca_certs_pool: true}",
        "it is not supported: the authorities are those of the file alone",
    );
    add("middlewares: [{id: x}]", "it is not supported: the node runs no code of others");
    let consumers = "      num_consumers: 4";
    check(
        consumers,
        "      enabled: false",
        "sending_queue.enabled: it is not supported: the node owns what it accepts",
    );
    check(consumers, "      wait_for_result: true", "wait_for_result: it is not supported");
    check(
        consumers,
        "      batch: {partition: {metadata_keys: [a]}}",
        "partition: it is not supported",
    );
    check(
        "      storage: file_storage/spool",
        "      storage: redis_storage",
        "an extension of the type `file_storage` is expected",
    );
    let append = "    append: true";
    check(
        append,
        "    append: true\n    format: proto",
        "format: it is not supported: accepted is `json`",
    );
    check(
        append,
        "    append: true\n    compression: zstd",
        "it is not supported: the file has lines of OTLP/JSON",
    );
    check(
        append,
        "    append: true\n    group_by: {enabled: true}",
        "group_by: it is not supported",
    );
    check(
        append,
        "    append: true\n    rotation: {max_days: 3}",
        "rotation: it is not supported: the node does not rotate a file",
    );
    check("    compression: zstd", "    cookies: {enabled: true}", "cookies: it is not supported");
    check(
        "    compression: zstd",
        "    disable_keep_alives: true",
        "disable_keep_alives: it is not supported",
    );
    let auth = "    auth: {authenticator: bearertokenauth/clients}";
    let both = format!("    headers: {{authorization: x}}\n{auth}");
    check(auth, &both, "`headers` has `authorization` too");
}

#[test]
fn a_pipeline_that_a_node_has_not_is_an_error_with_its_line() {
    check_error(
        &format!("{SAMPLER}    metrics:\n      receivers: [otlp]\n"),
        "82:7: service.pipelines.metrics: it is not supported: the node receives traces alone",
    );
    check_error(
        &format!("{SAMPLER}    traces/2:\n      receivers: [otlp]\n"),
        "82:7: service.pipelines.traces/2: a second pipeline of traces is not supported",
    );
    let peers = with("  debug:\n", "  debug:\n  load_balancing: {resolver: {k8s: {service: x}}, protocol: {otlp: {tls: {insecure: true}}}}\n")
        .replace("file, debug]", "file, debug, load_balancing]");
    let found = errors(&peers);
    for expected in [
        "load_balancing.resolver.k8s: it is not supported: the node asks no API server",
        "other exporters beside it are not supported",
        "`tail_sampling` before it is not supported",
    ] {
        assert!(found.iter().any(|it| it.contains(expected)), "{expected}: {found:#?}");
    }
    assert_eq!(found.len(), 3, "{found:#?}");
    let routed = GATEWAY.replace("routing_key: traceID", "routing_key: service");
    check_error(&routed, "16:18: exporters.load_balancing.routing_key: it is not supported");
    let stored =
        GATEWAY.replace("queue_size: 8388608}", "queue_size: 8388608, storage: file_storage}");
    assert!(
        errors(&stored).iter().any(|it| it.contains("a gateway stores nothing")),
        "{:?}",
        errors(&stored)
    );
    check_error("exporters: {debug: }", "1:1: service: it is required");
    let names = errors(
        "service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}\nreceivers: {otlp: {protocols: {grpc: }}}\nexporters: {nop: }",
    );
    assert!(
        names.len() == 1
            && names.iter().all(|it| it.contains("exporters of the type `nop` are not supported")),
        "{names:?}"
    );
}

#[test]
fn listeners_of_a_file_of_the_collector_are_permitted_by_an_option() {
    let text = with("      http:\n", "      http: {endpoint: '0.0.0.0:4318'}\n");
    let mut options = ConfigOptions::default();
    options.insecure_listeners = true;
    let warnings = read_with(&text, &options).unwrap().warnings;
    assert!(
        warnings.iter().any(|it| it.message().starts_with("other machines reach it")),
        "{warnings:?}"
    );
}

/// The unit of a batch without one is that of its queue, as in the Collector.
#[test]
fn a_batch_has_the_unit_of_its_queue() {
    let with = |queue: &str| {
        let file = settings(&format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{}}}}}}}}\nexporters:\n  otlp_http:\n    endpoint: https://otlp.example.com\n    sending_queue: {queue}\nservice: {{pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_http]}}}}}}\n"
        ));
        let destination = &file.destinations[0];
        (destination.max_batch_bytes, destination.max_batch_spans)
    };
    let default = with("{}");
    assert_eq!(with("{sizer: bytes, batch: {min_size: 262144}}"), (262_144, default.1));
    assert_eq!(with("{sizer: bytes, batch: {min_size: 100, sizer: items}}"), (default.0, 100));
    assert_eq!(with("{batch: {min_size: 100}}"), (default.0, 100));
}
