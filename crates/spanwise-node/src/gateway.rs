//! The stage that routes requests by trace id.

mod recent;
mod routes;
mod split;
