//! Buffers are released to their pool, also as `Bytes`.
#![cfg(not(loom))]

use std::sync::Arc;
use std::thread;

use bytes::{BufMut as _, BytesMut};
use spanwise_pool::BufferPool;

#[test]
fn the_last_bytes_release_the_memory() {
    let pool = BufferPool::<Vec<u8>>::new(2, 1024);
    let mut buffer = pool.acquire();
    buffer.extend_from_slice(b"a request body");
    let memory = buffer.as_ptr();
    let body = buffer.freeze();
    let (retry, head) = (body.clone(), body.slice(2..9));
    drop(body);
    let sent = thread::spawn(move || retry.len()).join().unwrap();
    assert_eq!((sent, &head[..], pool.stats().retained), (14, &b"request"[..], 0));
    drop(head);
    assert_eq!((pool.stats().retained, pool.stats().outstanding), (1, 0));
    let again = pool.acquire();
    assert!(again.is_empty() && again.as_ptr() == memory);
}

#[test]
fn bytes_outlive_the_pool() {
    let pool = BufferPool::<Vec<u8>>::new(1, 8);
    let mut buffer = pool.acquire();
    buffer.push(7);
    let bytes = buffer.freeze();
    drop(pool);
    assert_eq!(&bytes[..], [7]);
}

#[test]
fn a_buffer_that_has_grown_too_large_is_freed() {
    let pool = BufferPool::<Vec<u8>>::new(4, 64);
    pool.acquire().resize(256, 1);
    assert_eq!(pool.stats().retained, 1, "four times the size is still retained");
    pool.acquire().resize(257, 1);
    assert_eq!((pool.stats().retained, pool.stats().discarded), (0, 1));
    drop(pool.acquire().into_inner());
    assert_eq!((pool.stats().retained, pool.stats().outstanding), (0, 0));
}

#[test]
fn a_byte_limit_bounds_all_buffers_together() {
    let pool = BufferPool::<Vec<u8>>::new(64, 100).with_byte_limit(1000);
    let buffers: Vec<_> = (0..64).map(|_| pool.acquire()).collect();
    drop(buffers);
    assert_eq!((pool.stats().retained, pool.stats().retained_bytes), (10, 1000));
}

/// The usual way to send from a `BytesMut` is to split off what is full.
#[test]
fn split_memory_is_reclaimed_once_it_is_free() {
    let pool = BufferPool::<BytesMut>::new(2, 512);
    let mut buffer = pool.acquire();
    buffer.put_bytes(1, 512);
    let part = buffer.split().freeze();
    drop(buffer);
    assert_eq!(pool.stats().retained, 0, "its memory is in use elsewhere");
    assert_eq!(part[511], 1);

    let mut buffer = pool.acquire();
    buffer.put_bytes(2, 512);
    drop(buffer.split().freeze());
    drop(buffer);
    assert_eq!(pool.stats().retained, 1);
    assert!(pool.acquire().capacity() >= 512);
}

#[test]
fn a_frozen_bytes_mut_is_released_too() {
    let pool = Arc::new(BufferPool::<BytesMut>::new(2, 512));
    let mut buffer = pool.acquire();
    buffer.put_slice(b"abc");
    assert_eq!(&buffer.freeze()[..], b"abc");
    assert_eq!((pool.stats().retained, pool.stats().retained_bytes), (1, 512));
}
