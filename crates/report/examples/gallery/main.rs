//! Every part of a page once, to look at: `cargo run -p dunlin-report --example gallery > gallery.html`.

mod page;

fn main() {
    println!("{}", page::page().html());
}
