//! What a test client's packets travel over.
#![allow(dead_code)]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use offhook_wire::stream::{Dialect, frame_header};

/// How long a client's step waits for something to come.
const STEP: Duration = Duration::from_millis(2);

pub enum Wire {
    Udp(UdpSocket),
    /// Frames of RFC 4571, over TCP or TLS.
    Stream {
        stream: Stream,
        received: Vec<u8>,
        from: SocketAddr,
    },
}

pub enum Stream {
    Plain(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Wire {
    pub fn udp(local: SocketAddr) -> Self {
        Self::Udp(UdpSocket::bind(local).unwrap())
    }

    pub fn tcp(server: SocketAddr) -> Self {
        Self::over(Stream::Plain(connect(server)), server)
    }

    pub fn tls(server: SocketAddr, config: Arc<rustls::ClientConfig>) -> Self {
        let session = rustls::ClientConnection::new(config, "localhost".try_into().unwrap());
        let stream = rustls::StreamOwned::new(session.unwrap(), connect(server));
        Self::over(Stream::Tls(Box::new(stream)), server)
    }

    fn over(stream: Stream, from: SocketAddr) -> Self {
        Self::Stream { stream, received: Vec::new(), from }
    }

    pub fn send(&mut self, packet: &[u8], to: SocketAddr) {
        match self {
            Self::Udp(socket) => {
                socket.send_to(packet, to).unwrap();
            }
            Self::Stream { stream, .. } => {
                let framed = [&frame_header(packet).unwrap(), packet].concat();
                stream.write_all(&framed);
            }
        }
    }

    /// The next packet, waiting a step for it when asked to.
    pub fn receive(&mut self, packet: &mut [u8], waits: bool) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Udp(socket) => {
                socket.set_nonblocking(!waits)?;
                socket.set_read_timeout(Some(STEP))?;
                socket.recv_from(packet)
            }
            Self::Stream { stream, received, from } => loop {
                if let Some((whole, taken)) = Dialect::Framed.split(received, 2048).unwrap() {
                    let len = whole.len();
                    packet[..len].copy_from_slice(whole);
                    received.drain(..taken);
                    return Ok((len, *from));
                }
                let mut more = [0; 16 * 1024];
                match stream.read(&mut more, waits)? {
                    0 => return Err(ErrorKind::UnexpectedEof.into()),
                    len => received.extend_from_slice(&more[..len]),
                }
            },
        }
    }

    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr().unwrap(),
            Self::Stream { stream, .. } => stream.socket().local_addr().unwrap(),
        }
    }

    pub fn descriptor(&self) -> RawFd {
        match self {
            Self::Udp(socket) => socket.as_raw_fd(),
            Self::Stream { stream, .. } => stream.socket().as_raw_fd(),
        }
    }
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Blocking, within a deadline: a server that does not read fails the test.
    pub fn write_all(&mut self, bytes: &[u8]) {
        self.socket().set_nonblocking(false).unwrap();
        self.socket().set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        match self {
            Self::Plain(socket) => socket.write_all(bytes).unwrap(),
            Self::Tls(stream) => {
                stream.write_all(bytes).unwrap();
                stream.flush().unwrap();
            }
        }
    }

    fn read(&mut self, place: &mut [u8], waits: bool) -> io::Result<usize> {
        self.socket().set_nonblocking(!waits)?;
        self.socket().set_read_timeout(Some(STEP))?;
        match self {
            Self::Plain(socket) => socket.read(place),
            Self::Tls(stream) => stream.read(place),
        }
    }
}

fn connect(server: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(server).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}
