//! Requests of a web service with a database: spans whose ids, times, users, rows and addresses differ.

use spanwise_wire::write::{
    EncodeSpan as _, EncodeValue, SpanHeader, SpanWriter, encode_resource, encode_scope, put_varint,
};
use spanwise_wire::{Chunk, SpanId, SpanLimits, SpanMeta, StatusCode, TraceId};

/// Encoded requests with the count of their spans.
pub fn requests(count: usize) -> Vec<(Vec<u8>, u64)> {
    let mut service = Service { random: Random(1), now: START, scopes: Default::default() };
    (0..count).map(|_| service.request()).collect()
}

struct Service {
    random: Random,
    now: u64,
    /// The spans of the server and those of the database.
    scopes: [Vec<u8>; 2],
}

/// The ids of a trace.
#[derive(Clone, Copy)]
struct Trace {
    id: TraceId,
    root: SpanId,
}

impl Service {
    /// A request of about 1 MiB, 2,100 spans.
    fn request(&mut self) -> (Vec<u8>, u64) {
        let spans = (0..TRACES).map(|_| self.trace()).sum();
        let mut resource = encode_resource(
            [
                ("service.name", "shop"),
                ("service.version", "1.4.2"),
                ("k8s.pod.name", "shop-7d9f8b6c5-x2x9p"),
                ("host.name", "node-17"),
            ],
            "",
        );
        let none: [(&str, &str); 0] = [];
        for (name, spans) in ["http.server", "sqlx"].iter().zip(&mut self.scopes) {
            let mut scope = encode_scope(name, "1.0", none, "");
            scope.append(spans);
            field(&mut resource, 0x12, &scope);
        }
        let mut request = Vec::new();
        field(&mut request, 0x0a, &resource);
        (request, spans)
    }

    /// A trace of 4 to 8 spans; returns their count.
    fn trace(&mut self) -> u64 {
        let id = u128::from(self.random.next()) << 64 | u128::from(self.random.next());
        let trace = Trace { id: TraceId(id), root: SpanId(self.random.next()) };
        let begin = self.now;
        let queries = 3 + self.random.below(5);
        for _ in 0..queries {
            self.query(trace);
        }
        self.server(trace, begin);
        queries + 1
    }

    fn query(&mut self, trace: Trace) {
        let table = ["orders", "users", "items", "carts"][self.random.below(4) as usize];
        let text = format!(
            "SELECT id, name, price, created_at FROM {table} WHERE tenant_id = $1 AND id = $2 ORDER BY created_at DESC LIMIT 50"
        );
        let (rows, thread) = (self.random.below(50) as i64, self.random.below(16) as i64);
        let mut span = Writer::new(&format!("SELECT {table}"));
        span.put("db.system.name", "postgresql");
        span.put("db.namespace", "shop");
        span.put("db.query.text", text.as_str());
        span.put("db.collection.name", table);
        span.put("db.operation.name", "SELECT");
        span.put("db.response.returned_rows", &rows);
        span.put("server.address", "postgres-primary.shop.svc.cluster.local");
        span.put("server.port", &5432_i64);
        span.put("thread.id", &thread);
        span.put("code.function.name", "shop::repository::find_by_id");
        self.now += self.random.below(300_000);
        let header = SpanHeader {
            trace_id: trace.id,
            span_id: SpanId(self.random.next()),
            parent_span_id: trace.root,
            start_unix_nanos: self.now,
            end_unix_nanos: self.now + self.random.below(8_000_000),
            ..SpanHeader::default()
        };
        span.end(&header, &mut self.scopes[1]);
    }

    fn server(&mut self, trace: Trace, begin: u64) {
        let routes =
            ["/api/v1/orders/{id}", "/api/v1/users/{id}", "/api/v1/cart", "/api/v1/search"];
        let route = routes[self.random.below(4) as usize];
        let path = route.replace("{id}", &self.random.below(1_000_000).to_string());
        let agent = AGENTS[self.random.below(3) as usize];
        let status = [200_i64, 200, 200, 404, 500][self.random.below(5) as usize];
        let address = format!("10.{}.{}.7", self.random.below(4), self.random.below(256));
        let user = format!("user-{}", self.random.below(100_000));
        let mut span = Writer::new(&format!("GET {route}"));
        span.put("http.request.method", "GET");
        span.put("http.route", route);
        span.put("url.path", path.as_str());
        span.put("url.scheme", "https");
        span.put("http.response.status_code", &status);
        span.put("user_agent.original", agent);
        span.put("client.address", address.as_str());
        span.put("enduser.id", user.as_str());
        span.put("server.address", "shop.example.com");
        span.put("network.protocol.version", "1.1");
        self.now += self.random.below(3_000_000);
        let header = SpanHeader {
            trace_id: trace.id,
            span_id: trace.root,
            start_unix_nanos: begin,
            end_unix_nanos: self.now,
            ..SpanHeader::default()
        };
        span.end(&header, &mut self.scopes[0]);
    }
}

struct Writer(SpanWriter);

impl Writer {
    fn new(name: &str) -> Self {
        let mut writer = SpanWriter::new();
        writer.begin(&SpanLimits::default(), name);
        Self(writer)
    }

    fn put<V: EncodeValue + ?Sized>(&mut self, key: &str, value: &V) {
        self.0.attribute(&SpanLimits::default(), key, value);
    }

    fn end(mut self, header: &SpanHeader, scope: &mut Vec<u8>) {
        self.0.status(&SpanLimits::default(), StatusCode::Ok, "");
        let finished = self.0.finish(header);
        let chunk = Chunk::single(&finished.as_finished(), SpanMeta::default());
        scope.extend_from_slice(chunk.bytes());
    }
}

fn field(out: &mut Vec<u8>, key: u8, bytes: &[u8]) {
    out.push(key);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

const TRACES: usize = 350;
const START: u64 = 1_790_000_000_000_000_000;
const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15",
    "curl/8.10.1",
];
