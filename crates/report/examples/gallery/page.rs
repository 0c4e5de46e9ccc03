//! The page of the gallery; the tests in a browser open it too.

use dunlin_report::{
    Align, Bar, Bars, Block, Cell, Figure, Page, Plot, Section, Series, Table, Tone, Unit, Verdict,
};

pub(crate) fn page() -> Page {
    // A latency that grows with rarity, and a stall of a few seconds.
    let curve = |worse: f64| {
        (0..60).map(move |step| {
            let nines = f64::from(step) / 12.0;
            (1.0 - 10_f64.powf(-nines), 1.1e6 * worse * (1.0 + nines.powi(2)))
        })
    };
    let second = |second: i32, base: f64| {
        let stall = if (70..74).contains(&second) { 4.0 } else { 1.0 };
        base * stall * (1.0 + 0.06 * f64::from(second * 7_919 % 13))
    };
    let over_time = |base| (0..120).map(move |at| (f64::from(at), second(at, base)));
    let phases = |plot: Plot| {
        plot.band(0.0, 12.0, "warm-up").band(12.0, 110.0, "measured").band(110.0, 120.0, "drain")
    };
    Page::new("Gallery")
        .subtitle("Every part of a page once; nothing here was measured")
        .verdict(
            Verdict::new(Tone::Bad, "missed", "1 of 2 thresholds does not hold.").reason("p99(push) < 5 ms"),
        )
        .section(Section::new("Figures").lead("What a reader looks for first.").with(vec![
            Figure::new("p50", Unit::Nanoseconds.text(1.43e6)).detail("of 23,800 pushes"),
            Figure::new("p99", Unit::Nanoseconds.text(5.5e6)).detail("threshold 5.00 ms").tone(Tone::Bad),
            Figure::new("reach", Unit::Share.text(1.0)).detail("nothing lost").tone(Tone::Good),
            Figure::new("schedule lag", Unit::Nanoseconds.text(212e3)).tone(Tone::Warning),
            Figure::new("sockets", Unit::Count.text(15_000.0)),
        ]))
        .section(Section::new("Plots").with(Block::Beside(vec![
                Plot::by_percentile("Latency by percentile")
                    .note("Each nine takes the same room.")
                    .series(Series::line("this run", curve(1.0)))
                    .series(Series::dashed("baseline", curve(0.8)))
                    .limit(5e6, "p99 < 5 ms")
                    .into(),
                phases(Plot::over_time("Latency over time"))
                    .series(Series::line("p50", over_time(1.4e6)))
                    .series(Series::line("p99", over_time(4.4e6)))
                    .into(),
                phases(Plot::over_time("Sockets").y("open", Unit::Count))
                    .series(Series::line(
                        "open",
                        (0..120).map(|at| (f64::from(at), f64::from(at * 20).min(200.0))),
                    ))
                    .into(),
                Plot::trend(
                    "Trend",
                    (0..30).map(|run| format!("{:07x}", 0x01a2_b3c4_u32 + run * 77_777)),
                    Unit::Nanoseconds,
                )
                .series(Series::dots(
                    "runs",
                    (0..30).map(|run| (f64::from(run), second(run, if run < 19 { 40e3 } else { 47e3 }))),
                ))
                .series(Series::line(
                    "mean",
                    [(0.0, 54e3), (18.0, 54e3), (f64::NAN, 0.0), (19.0, 64e3), (29.0, 64e3)],
                ))
                .mark(18.5, "+17 %")
                .into(),
            ])))
        .section(
            Section::new("Comparisons")
                .with(
                    Bars::new("Share of the promise", Unit::Ratio)
                        .limit(1.0, "promise")
                        .bar(Bar {
                            name: "handler/typical".into(),
                            value: 0.81,
                            text: "1.62 ×, ≤ 2.00 ×".into(),
                            tone: Tone::Good,
                        })
                        .bar(Bar {
                            name: "store/page of 1,000".into(),
                            value: 1.21,
                            text: "3.63 ×, ≤ 3.00 ×".into(),
                            tone: Tone::Bad,
                        })
                        .bar(Bar {
                            name: "start of the stack".into(),
                            value: 0.4,
                            text: "120 ms, ≤ 300 ms".into(),
                            tone: Tone::Good,
                        }),
                )
                .with(
                    Table::new([("threshold", Align::Left), ("measured", Align::Right), ("", Align::Left)])
                        .caption("Over the measured phase.")
                        .row([
                            Cell::new("p99(push) < 5 ms"),
                            "5.50 ms".into(),
                            Cell::badge(Tone::Bad, "missed"),
                        ])
                        .row([
                            Cell::new("reach == 100%").detail("of 23,800 deliveries"),
                            "100 %".into(),
                            Cell::badge(Tone::Good, "met"),
                        ]),
                )
                .with(Block::Note(Tone::Warning, "Measured on a machine that others use.".to_owned())),
        )
        .section(
            Section::new("Where")
                .with(Block::Facts(vec![
                    ("machine".into(), "2 cores of a processor with a long name, 8 GB".into()),
                    ("revision".into(), "1a2b3c4".into()),
                ]))
                .with(Block::File {
                    title: "scenario.toml".into(),
                    text: "users = 200\nrate = \"20/s\"\n".into(),
                }),
        )
}
