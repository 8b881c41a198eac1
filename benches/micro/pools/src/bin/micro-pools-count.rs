//! Allocations and their bytes.

#[global_allocator]
static ALLOCATOR: micro_pools::count::Counting = micro_pools::count::Counting;

fn main() {
    micro_pools::count_all();
}
