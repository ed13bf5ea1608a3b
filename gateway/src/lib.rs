//! The gateway: what apps speak to.
//!
//! Sessions on sockets and calls over HTTP come in here, are checked here (who, how much, how often), and become
//! appends to the log or reads of log and store. The gateway never writes what the log decides (messages, members,
//! lists: the workers do); the one thing it writes itself is the directory of people.

pub mod accounts;
mod core;
mod fanout;
mod gateway;
pub mod http;
mod metrics;
mod ops;
mod reads;
mod session;
pub mod settings;
pub mod tokens;
mod units;

pub use gateway::{Gateway, Parts};
pub use metrics::GatewayMetrics;
pub use ops::HasRoom;
pub use reads::ReadStores;
pub use settings::SessionSettings;
pub use units::BadSetting;
