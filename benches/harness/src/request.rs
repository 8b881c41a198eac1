//! The request of w3 and of the end-to-end workloads, as a service holds it.

/// An HTTP request. Texts that are known only at run time are owned `String`s: an implementation that
/// needs its own copy pays for it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The path of the URL.
    pub path: String,
    /// The route that the path matched.
    pub route: String,
    /// The host name of the server.
    pub host: String,
    /// The address of the client.
    pub client: String,
    /// The user agent of the client.
    pub agent: String,
    /// The key that the cache missed.
    pub cache_key: String,
    /// The queries of the database.
    pub statements: [Statement; 4],
}

/// A database query of the request.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The SQL operation.
    pub operation: &'static str,
    /// The statement.
    pub text: String,
    /// The table.
    pub collection: String,
    /// The same table, as a literal of the code.
    pub table: &'static str,
    /// Rows that came back.
    pub rows: i64,
}

impl Request {
    /// The one request all implementations trace.
    pub fn sample() -> Self {
        let statement = |operation, text: &str, table: &'static str, rows| Statement {
            operation,
            text: text.to_owned(),
            collection: table.to_owned(),
            table,
            rows,
        };
        Self {
            path: "/users/4711/orders".to_owned(),
            route: "/users/{id}/orders".to_owned(),
            host: "shop.example.com".to_owned(),
            client: "203.0.113.7".to_owned(),
            agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101".to_owned(),
            cache_key: "user:4711".to_owned(),
            statements: [
                statement("SELECT", "SELECT * FROM users WHERE id = $1", "users", 1),
                statement("SELECT", "SELECT * FROM orders WHERE user = $1", "orders", 25),
                statement("INSERT", "INSERT INTO visits VALUES ($1, $2)", "visits", 1),
                statement("UPDATE", "UPDATE users SET seen = $2 WHERE id = $1", "users", 3),
            ],
        }
    }
}
