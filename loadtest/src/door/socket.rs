//! WebSockets to servers here and elsewhere, plain or under TLS with the system's roots.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use reqwest::Url;
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A connection of either kind.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// An open WebSocket.
pub type Socket = WebSocketStream<Box<dyn Connection>>;

/// Open one. `http` and `https` are taken for `ws` and `wss`.
pub async fn open(url: &str) -> Result<Socket> {
    // Both spellings of the scheme are given out.
    let url = url.replacen("http", "ws", 1);
    let parsed = Url::parse(&url)?;
    let host = parsed.host_str().context("a URL without a host")?.to_owned();
    let (secure, standard) = match parsed.scheme() {
        "ws" => (false, 80),
        "wss" => (true, 443),
        other => bail!("{other} is no scheme of WebSockets"),
    };
    let address = (host.trim_matches(['[', ']']).to_owned(), parsed.port().unwrap_or(standard));
    let stream = TcpStream::connect(address).await.context("no connection")?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Connection> = match secure {
        false => Box::new(stream),
        true => {
            let connector = TlsConnector::from(Arc::new(ClientConfig::with_platform_verifier()?));
            Box::new(connector.connect(host.try_into()?, stream).await.context("TLS")?)
        }
    };
    Ok(client_async(url, stream).await.context("the WebSocket")?.0)
}
