//! The files of the nodes. Names in capitals are replaced.

/// Routes to the peers of a file.
pub(super) const GATEWAY: &str = "\
role: gateway
memory: {limit_mib: 256}
receivers: [{endpoint: '127.0.0.1:PORT'}]
gateway:
  resolver: {file: {path: 'PEERS', interval: 200ms}}
  protocol: {tls: {insecure: true}}
state: {directory: 'STATE'}
logs: {format: json}
admin: {endpoint: '127.0.0.1:ADMIN'}
";

/// Waits a second, and sends to two destinations.
pub(super) const SAMPLER: &str = "\
role: sampler
memory: {limit_mib: 256}
receivers: [{endpoint: '127.0.0.1:PORT'}]
tail_sampling: {decision_wait: 1s, policies: [POLICIES]}
destinations:
  - {name: one, otlp: {endpoint: 'http://ONE', protocol: grpc}, spool: {directory: 'SPOOL/one', max_mib: 256}}
  - {name: two, otlp: {endpoint: 'http://TWO', protocol: grpc}, spool: {directory: 'SPOOL/two', max_mib: 256}}
state: {directory: 'STATE'}
logs: {format: json}
admin: {endpoint: '127.0.0.1:ADMIN'}
";

/// Samples everything.
pub(super) const ALL: &str = "{name: all, type: always_sample}";

/// Samples errors, slow traces and a half of the others.
pub(super) const SOME: &str = "{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}, \
     {name: slow, type: latency, latency: {threshold_ms: 500}}, \
     {name: half, type: probabilistic, probabilistic: {sampling_percentage: 50}}";

/// Decides nothing before its end.
pub(super) const WAITING: &str = "\
role: sampler
memory: {limit_mib: 256}
receivers: [{endpoint: '127.0.0.1:PORT'}]
tail_sampling: {decision_wait: 1h, policies: [{name: all, type: always_sample}]}
destinations: [{name: one, otlp: {endpoint: 'http://SINK', protocol: grpc}}]
state: {directory: 'STATE'}
logs: {format: json}
admin: {endpoint: '127.0.0.1:ADMIN'}
";

/// Waits for its peer. Requests on their way to one that has left end a half of the timeout after their begin.
pub(super) const HOLDING: &str = "\
role: gateway
memory: {limit_mib: 256}
receivers: [{endpoint: '127.0.0.1:PORT'}]
gateway:
  resolver: {file: {path: 'PEERS', interval: 200ms}}
  protocol: {tls: {insecure: true}}
  unreachable_timeout: 1s
state: {directory: 'STATE'}
logs: {format: json}
admin: {endpoint: '127.0.0.1:ADMIN'}
";

/// Sends all spans to two destinations: one has a disk, to which a request goes after a second, and the other none.
pub(super) const STORING: &str = "\
role: sampler
memory: {limit_mib: 256}
receivers: [{endpoint: '127.0.0.1:PORT'}]
destinations:
  - {name: one, otlp: {endpoint: 'http://ONE', protocol: grpc, retry: {max_elapsed_time: 1s}}, spool: {directory: 'SPOOL', max_mib: 256}}
  - {name: two, otlp: {endpoint: 'http://TWO', protocol: grpc, retry: {max_elapsed_time: 0s}}}
state: {directory: 'STATE'}
logs: {format: json}
admin: {endpoint: '127.0.0.1:ADMIN'}
";

/// Sends to two destinations, each with a disk, to which a request goes after a second.
pub(super) const OUTAGE: &str = "\
role: sampler
memory: {limit_mib: 64}
receivers: [{endpoint: '127.0.0.1:PORT'}]
destinations:
  - {name: one, otlp: {endpoint: 'http://ONE', protocol: grpc, retry: {max_elapsed_time: 1s}}, spool: {directory: 'SPOOL/one', max_mib: 2048}}
  - {name: two, otlp: {endpoint: 'http://TWO', protocol: grpc, retry: {max_elapsed_time: 1s}}, spool: {directory: 'SPOOL/two', max_mib: 2048}}
state: {directory: 'STATE'}
logs: {format: json}
admin: {endpoint: '127.0.0.1:ADMIN'}
";

/// Sends all spans to one destination. Its second port asks for a token.
pub(super) const PLAIN: &str = "\
role: sampler
memory: {limit_mib: 256}
receivers:
  - {endpoint: '127.0.0.1:PORT'}
  - {endpoint: '127.0.0.1:GUARDED', bearer_token: secret}
destinations: [{name: one, otlp: {endpoint: 'http://SINK', protocol: grpc}}]
logs: {format: json}
admin: {endpoint: '127.0.0.1:ADMIN'}
";
