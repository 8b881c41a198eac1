//! Times with glibc's allocator.

fn main() {
    micro_pools::time_all("glibc");
}
