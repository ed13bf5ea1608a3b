//! Waiting on conditions.

use std::time::Duration;

/// No condition takes this long on a machine that works.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks at a condition.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until `look` gives something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    within(what, looking).await
}

/// Waits for something that comes by itself.
pub async fn within<T>(what: &str, coming: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, coming).await {
        Ok(come) => come,
        Err(_) => unreachable!("waited in vain for {what}"),
    }
}
