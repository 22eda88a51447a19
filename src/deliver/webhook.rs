//! Delivery to a webhook.

pub mod client;
pub mod guard;
pub mod secret;
pub mod sign;
