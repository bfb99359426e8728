//! Load over time, a panel for each policy, drawn once for each of two formats.

use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::record::Second;
use crate::scenario::{Script, TICKS_PER_SECOND};
use crate::storm::{Outcome, Storm};
use crate::table::grouped;

/// In the units of the vector format.
const SIZE: (u32, u32) = (1280, 1120);

const LOAD: RGBColor = RGBColor(213, 94, 0);
const GOODPUT: RGBColor = RGBColor(0, 114, 178);
const OUTAGE: RGBColor = RGBColor(226, 226, 226);
const INK: RGBColor = RGBColor(30, 30, 30);
const QUIET: RGBColor = RGBColor(95, 95, 95);
const GRID: RGBColor = RGBColor(205, 205, 205);

type Area<'a, B> = DrawingArea<B, Shift>;

/// Text is measured and, in pixels, drawn with a font of our own, so that every machine draws the
/// same. Who opens the SVG sees their own font of that kind.
fn font() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let font = include_bytes!("../font/DejaVuSans-Latin.ttf");
        let taken = register_font("sans-serif", FontStyle::Normal, font);
        assert!(taken.is_ok(), "the font is a font");
    });
}

impl Storm {
    /// Writes `storm.svg` and `storm.png` into a folder, and says where they are. The unit of the
    /// former is so many pixels of the latter.
    pub(crate) fn draw(&self, folder: &Path, fine: u32) -> Result<[PathBuf; 2], Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        let paths = ["storm.svg", "storm.png"].map(|name| folder.join(name));
        fs::write(&paths[0], self.svg()?)?;
        let (width, height) = (SIZE.0 * fine, SIZE.1 * fine);
        let mut encoder =
            png::Encoder::new(BufWriter::new(File::create(&paths[1])?), width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels(fine)?)?;
        writer.finish()?;
        Ok(paths)
    }

    pub(crate) fn svg(&self) -> Result<String, Box<dyn Error>> {
        font();
        let mut text = String::new();
        Drawing { storm: self, scale: 1 }
            .all(&SVGBackend::with_string(&mut text, SIZE).into_drawing_area())?;
        Ok(text)
    }

    /// Three bytes for each pixel.
    fn pixels(&self, fine: u32) -> Result<Vec<u8>, Box<dyn Error>> {
        font();
        let size = (SIZE.0 * fine, SIZE.1 * fine);
        let mut pixels = vec![0; size.0 as usize * size.1 as usize * 3];
        Drawing { storm: self, scale: fine }
            .all(&BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area())?;
        Ok(pixels)
    }
}

/// A storm on paper of some scale.
struct Drawing<'a> {
    storm: &'a Storm,
    scale: u32,
}

impl Drawing<'_> {
    fn px(&self, length: u32) -> u32 {
        length * self.scale
    }

    fn at(&self, x: i32, y: i32) -> (i32, i32) {
        let scale = self.scale as i32;
        (x * scale, y * scale)
    }

    fn text(&self, size: u32, color: RGBColor) -> TextStyle<'static> {
        let pos = Pos::new(HPos::Left, VPos::Center);
        ("sans-serif", self.px(size)).into_font().color(&color).pos(pos)
    }

    fn all<B: DrawingBackend>(&self, area: &Area<'_, B>) -> Result<(), Box<dyn Error>>
    where
        B::ErrorType: 'static,
    {
        area.fill(&WHITE)?;
        let (head, rest) = area.split_vertically(self.px(96));
        self.head(&head)?;
        let (panels, foot) = rest.split_vertically(self.px(SIZE.1 - 96 - 34));
        let rows = self.storm.outcomes.len().div_ceil(2);
        for (panel, outcome) in panels.split_evenly((rows, 2)).iter().zip(&self.storm.outcomes) {
            self.panel(panel, outcome)?;
        }
        let note = format!(
            "Load above the scale is cut off; the numbers above each panel have its peak. Seed {}.",
            self.storm.seed
        );
        foot.draw_text(&note, &self.text(13, QUIET), self.at(24, 12))?;
        area.present()?;
        Ok(())
    }

    /// The title and what the colours mean.
    fn head<B: DrawingBackend>(&self, area: &Area<'_, B>) -> Result<(), Box<dyn Error>>
    where
        B::ErrorType: 'static,
    {
        let script = &self.storm.script;
        area.draw_text(
            "Requests during and after an outage",
            &self.text(24, INK),
            self.at(24, 28),
        )?;
        area.draw_text(&script.sentence(), &self.text(15, QUIET), self.at(24, 56))?;
        let keys = [
            (LOAD, "load: requests per second"),
            (GOODPUT, "goodput: answered in time"),
            (INK, "capacity"),
            (OUTAGE, "outage"),
        ];
        let mut x = 24;
        for (color, name) in keys {
            // The capacity is a dashed line.
            let boxes = match color {
                INK => vec![(x, 81, 6, 1), (x + 10, 81, 6, 1), (x + 20, 81, 6, 1)],
                _ => vec![(x, 75, 20, 13)],
            };
            for (left, top, width, height) in boxes {
                let corners = [self.at(left, top), self.at(left + width, top + height)];
                area.draw(&Rectangle::new(corners, color.filled()))?;
            }
            let style = self.text(14, INK);
            area.draw_text(name, &style, self.at(x + 32, 81))?;
            let (width, _) = area.estimate_text_size(name, &style)?;
            x += 32 + (width / self.scale) as i32 + 28;
        }
        Ok(())
    }

    fn panel<B: DrawingBackend>(
        &self,
        area: &Area<'_, B>,
        outcome: &Outcome,
    ) -> Result<(), Box<dyn Error>>
    where
        B::ErrorType: 'static,
    {
        let (script, top) = (&self.storm.script, self.storm.top());
        let minutes = (script.end / TICKS_PER_SECOND) as f64 / 60.0;
        let (head, plot) = area.split_vertically(self.px(62));
        let style = self.text(18, INK);
        head.draw_text(&outcome.policy, &style, self.at(24, 18))?;
        let (width, _) = head.estimate_text_size(&outcome.policy, &style)?;
        let beside = self.at(24 + 12 + (width / self.scale) as i32, 19);
        head.draw_text(&outcome.described, &self.text(13, QUIET), beside)?;
        head.draw_text(&outcome.numbers(script), &self.text(14, INK), self.at(24, 42))?;

        let mut chart = ChartBuilder::on(&plot)
            .margin_left(self.px(16))
            .margin_right(self.px(24))
            .x_label_area_size(self.px(42))
            .y_label_area_size(self.px(68))
            .build_cartesian_2d(0.0..minutes, 0.0..top)?;
        let minute = |tick: u64| tick as f64 / (60 * TICKS_PER_SECOND) as f64;
        let outage = [(minute(script.outage.0), 0.0), (minute(script.outage.1).min(minutes), top)];
        chart.draw_series([Rectangle::new(outage, OUTAGE.filled())])?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(QUIET)
            .x_labels(11)
            .y_labels(5)
            .x_label_formatter(&|minute| format!("{minute:.0}"))
            .y_label_formatter(&|load| grouped(load.round() as u64))
            .label_style(("sans-serif", self.px(13)).into_font().color(&QUIET))
            .axis_desc_style(("sans-serif", self.px(13)).into_font().color(&QUIET))
            .x_desc("minutes")
            .y_desc("requests per second")
            .draw()?;
        let seconds = &outcome.record.seconds;
        let shown = (script.end / TICKS_PER_SECOND) as usize;
        let points = |of: fn(&Second) -> u64| {
            let point = move |(at, second)| (at as f64 / 60.0, (of(second) as f64).min(top));
            seconds.iter().take(shown).enumerate().map(point)
        };
        let (load, goodput) = (points(|second| second.attempts), points(|second| second.answered));
        chart.draw_series(
            AreaSeries::new(load, 0.0, LOAD.mix(0.25)).border_style(LOAD.stroke_width(self.px(1))),
        )?;
        chart.draw_series(
            AreaSeries::new(goodput, 0.0, GOODPUT.mix(0.45))
                .border_style(GOODPUT.stroke_width(self.px(1))),
        )?;
        let (full, left) = (script.capacity as f64, script.outage_capacity as f64);
        let [(start, _), (end, _)] = outage;
        let capacity =
            [(0.0, full), (start, full), (start, left), (end, left), (end, full), (minutes, full)];
        chart.draw_series(DashedLineSeries::new(
            capacity,
            self.px(6),
            self.px(4),
            INK.stroke_width(self.px(1)),
        ))?;
        Ok(())
    }
}

impl Outcome {
    /// What it came to, on one line.
    fn numbers(&self, script: &Script) -> String {
        let record = &self.record;
        let recovery = match record.recovery(script) {
            Some(seconds) => format!("recovered after {seconds} s"),
            None => "did not recover".to_owned(),
        };
        format!(
            "{:.2} requests per call · peak {:.1} × capacity · {recovery} · {:.1} % of calls lost",
            record.amplification(),
            record.peak_load(script),
            record.lost_percent(),
        )
    }
}

impl Storm {
    /// The top of the scale, of all panels: over the load of all seconds but the wildest.
    fn top(&self) -> f64 {
        let seconds = self.outcomes.iter().flat_map(|outcome| &outcome.record.seconds);
        let mut loads: Vec<_> = seconds.map(|second| second.attempts).collect();
        loads.sort_unstable();
        let most = loads.get(loads.len() * 98 / 100).copied().unwrap_or(0);
        1.1 * most.max(self.script.capacity * 3 / 2) as f64
    }
}
