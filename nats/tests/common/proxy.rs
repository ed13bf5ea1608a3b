//! A road between client and server that can lose what the server says, and be cut.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How much is carried at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// The road. Ends when dropped.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    deaf: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    /// Ends the connections that stand now.
    cut: Arc<Mutex<CancellationToken>>,
}

impl Proxy {
    /// A road to the server on `to`.
    pub(crate) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            deaf: Arc::default(),
            lost: Arc::default(),
            cut: Arc::new(Mutex::new(CancellationToken::new())),
        };
        let (deaf, lost) = (Arc::clone(&proxy.deaf), Arc::clone(&proxy.lost));
        let cut = Arc::clone(&proxy.cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let token = cut.lock().unwrap().clone();
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await else {
                    continue;
                };
                let carried = carry(client, server, Arc::clone(&deaf), Arc::clone(&lost));
                tokio::spawn(token.run_until_cancelled_owned(carried));
            }
        });
        proxy
    }

    /// From now on (or no more) what the server says is lost; what the client says gets through.
    pub(crate) fn be_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::SeqCst);
    }

    /// Bytes of the server lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::SeqCst)
    }

    /// Cuts all connections that stand; new ones go through.
    pub(crate) fn cut(&self) {
        let mut token = self.cut.lock().unwrap();
        token.cancel();
        *token = CancellationToken::new();
    }
}

async fn carry(client: TcpStream, server: TcpStream, deaf: Arc<AtomicBool>, lost: Arc<AtomicU64>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
    let down = async {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = from_server.read(&mut buffer).await?;
            if count == 0 {
                return Ok::<(), std::io::Error>(());
            }
            match deaf.load(Ordering::SeqCst) {
                true => drop(lost.fetch_add(count as u64, Ordering::SeqCst)),
                false => to_client.write_all(&buffer[..count]).await?,
            }
        }
    };
    // A broken road is what it is for.
    let _ = tokio::select! { up = up => up, down = down => down };
}
