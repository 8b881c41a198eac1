//! The world of the spool: processes that crash and restart, a receiver that is down for minutes, and a disk in memory that loses at a
//! crash what was not synced.

mod disk;
mod world;

pub(crate) use world::run;
