// A Rust program of the oracle's workloads: threads, files, a socket pair, a child.
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

fn main() -> std::io::Result<()> {
    let folder = format!("/tmp/oracle-rust-{}", std::process::id());
    fs::create_dir(&folder)?;
    for i in 0..10 {
        fs::write(format!("{folder}/{i}"), vec![0u8; 1000])?;
    }
    fs::copy(format!("{folder}/0"), format!("{folder}/copy"))?;
    fs::rename(format!("{folder}/copy"), format!("{folder}/renamed"))?;
    println!("{}", fs::read_dir(&folder)?.count());
    fs::remove_dir_all(&folder)?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (sender, receiver) = mpsc::channel();
    let server = thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        sender.send(text).unwrap();
        Ok(())
    });
    let mut client = TcpStream::connect(address)?;
    client.set_nodelay(true)?;
    client.write_all(b"hello")?;
    drop(client);
    println!("{}", receiver.recv_timeout(Duration::from_secs(10)).unwrap());
    server.join().unwrap()?;

    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(5)))?;
    let _ = socket.recv(&mut [0; 16]);
    let output = Command::new("sh").args(["-c", "echo child"]).output()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}
