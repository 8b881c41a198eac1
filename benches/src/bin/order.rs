//! Prints the table of orders: the bytes and the processor time of requests in several orders, compressed.

fn main() -> Result<(), String> {
    spanwise_benches::order_table::print()
}
