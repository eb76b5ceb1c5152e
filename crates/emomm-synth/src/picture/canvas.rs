//! A small anti-aliased rasteriser: shapes are signed distances, coverage is a ramp of one pixel across the border.

/// A point or a vector.
pub(super) type Point = [f32; 2];

/// Red, green and blue, 0 to 255.
pub(super) type Colour = [f32; 3];

/// Something with an inside, in units of its own.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// Centre and half-axes.
    Ellipse(Point, Point),
    /// Centre, half-sizes and radius of the corners.
    Block(Point, Point, f32),
    /// A line through points, of a half-width.
    Stroke(Vec<Point>, f32),
    /// A closed outline.
    Polygon(Vec<Point>),
    /// The part of an ellipse above (smaller y than) a line that rises by the second number per unit.
    Cap(Point, Point, f32, f32),
}

/// From a shape's units to pixels: scale, turn, shift.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) centre: Point,
    pub(super) scale: f32,
    pub(super) cos: f32,
    pub(super) sin: f32,
}

impl Frame {
    pub(super) fn new(centre: Point, scale: f32, angle: f32) -> Self {
        let angle = f64::from(angle);
        Self { centre, scale, cos: libm::cos(angle) as f32, sin: libm::sin(angle) as f32 }
    }

    pub(super) fn to_pixels(self, p: Point) -> Point {
        let [x, y] = [p[0] * self.scale, p[1] * self.scale];
        [self.centre[0] + x * self.cos - y * self.sin, self.centre[1] + x * self.sin + y * self.cos]
    }

    fn to_units(self, p: Point) -> Point {
        let [x, y] = [(p[0] - self.centre[0]) / self.scale, (p[1] - self.centre[1]) / self.scale];
        [x * self.cos + y * self.sin, y * self.cos - x * self.sin]
    }
}

/// What a shape belongs to, for the masks of the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Background,
    Person,
    Face,
}

/// A picture under construction, with the coverage of person and face.
#[derive(Debug, Clone)]
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgb: Vec<Colour>,
    pub(super) person: Vec<f32>,
    pub(super) face: Vec<f32>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let n = width * height;
        Self { width, height, rgb: vec![[0.0; 3]; n], person: vec![0.0; n], face: vec![0.0; n] }
    }

    /// Paints a shape in one colour.
    pub(super) fn fill(&mut self, shape: &Shape, frame: Frame, colour: Colour, alpha: f32, part: Part) {
        self.paint(shape, frame, alpha, 1.0, part, |_| colour);
    }

    /// Paints a shape, its border `softness` pixels wide, with a colour by place (in the shape's units).
    pub(super) fn paint(
        &mut self,
        shape: &Shape,
        frame: Frame,
        alpha: f32,
        softness: f32,
        part: Part,
        colour: impl Fn(Point) -> Colour,
    ) {
        let Some(([x0, x1], [y0, y1])) = self.pixels_of(shape, frame, softness) else { return };
        for y in y0..y1 {
            for x in x0..x1 {
                let p = frame.to_units([x as f32 + 0.5, y as f32 + 0.5]);
                let cover = alpha * (0.5 - distance(shape, p) * frame.scale / softness).clamp(0.0, 1.0);
                if cover <= 0.0 {
                    continue;
                }
                let at = y * self.width + x;
                let over = colour(p);
                for (below, over) in self.rgb[at].iter_mut().zip(over) {
                    *below += (over - *below) * cover;
                }
                if part != Part::Background {
                    self.person[at] = self.person[at].max(cover);
                }
                if part == Part::Face {
                    self.face[at] = self.face[at].max(cover);
                }
            }
        }
    }

    /// The pixels that a shape can touch, as half-open ranges of x and y.
    fn pixels_of(&self, shape: &Shape, frame: Frame, softness: f32) -> Option<([usize; 2], [usize; 2])> {
        let (low, high) = bounds(shape);
        let corners = [[low[0], low[1]], [low[0], high[1]], [high[0], low[1]], [high[0], high[1]]]
            .map(|c| frame.to_pixels(c));
        let range = |axis: usize, length: usize| {
            let least = corners.iter().map(|c| c[axis]).fold(f32::INFINITY, f32::min) - softness;
            let most = corners.iter().map(|c| c[axis]).fold(f32::NEG_INFINITY, f32::max) + softness;
            // Negative floats become 0.
            let (from, to) = (least.floor() as usize, (most.ceil() as usize).min(length));
            (from < to).then_some([from, to])
        };
        range(0, self.width).zip(range(1, self.height))
    }
}

/// The box around a shape.
fn bounds(shape: &Shape) -> (Point, Point) {
    let around = |points: &[Point], margin: f32| {
        let mut low = [f32::INFINITY; 2];
        let mut high = [f32::NEG_INFINITY; 2];
        for p in points {
            low = [low[0].min(p[0] - margin), low[1].min(p[1] - margin)];
            high = [high[0].max(p[0] + margin), high[1].max(p[1] + margin)];
        }
        (low, high)
    };
    match shape {
        Shape::Ellipse(c, r) | Shape::Block(c, r, _) | Shape::Cap(c, r, _, _) => {
            ([c[0] - r[0], c[1] - r[1]], [c[0] + r[0], c[1] + r[1]])
        }
        Shape::Stroke(points, half) => around(points, *half),
        Shape::Polygon(points) => around(points, 0.0),
    }
}

/// Distance from the border in the shape's units, negative inside.
fn distance(shape: &Shape, p: Point) -> f32 {
    match shape {
        Shape::Ellipse(c, r) => ellipse(p, *c, *r),
        Shape::Cap(c, r, line, slope) => ellipse(p, *c, *r).max(p[1] - *line - slope * (p[0] - c[0])),
        Shape::Block(c, half, radius) => {
            let q = [(p[0] - c[0]).abs() - half[0] + radius, (p[1] - c[1]).abs() - half[1] + radius];
            length([q[0].max(0.0), q[1].max(0.0)]) + q[0].max(q[1]).min(0.0) - radius
        }
        Shape::Stroke(points, half) => {
            points.windows(2).map(|s| segment(p, s[0], s[1])).fold(f32::INFINITY, f32::min) - half
        }
        Shape::Polygon(points) => polygon(p, points),
    }
}

/// First-order distance: exact at the border, which is where coverage is decided.
fn ellipse(p: Point, c: Point, r: Point) -> f32 {
    let q = [(p[0] - c[0]) / r[0], (p[1] - c[1]) / r[1]];
    let k = length(q);
    let gradient = length([q[0] / r[0], q[1] / r[1]]);
    if gradient < 1e-6 { -r[0].min(r[1]) } else { k * (k - 1.0) / gradient }
}

fn segment(p: Point, a: Point, b: Point) -> f32 {
    let (d, q) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let square = d[0] * d[0] + d[1] * d[1];
    let t = if square > 0.0 { ((q[0] * d[0] + q[1] * d[1]) / square).clamp(0.0, 1.0) } else { 0.0 };
    length([q[0] - t * d[0], q[1] - t * d[1]])
}

fn polygon(p: Point, points: &[Point]) -> f32 {
    let mut nearest = f32::INFINITY;
    let mut inside = false;
    let mut previous = points[points.len() - 1];
    for &point in points {
        nearest = nearest.min(segment(p, previous, point));
        if (point[1] > p[1]) != (previous[1] > p[1]) {
            let x = point[0] + (p[1] - point[1]) / (previous[1] - point[1]) * (previous[0] - point[0]);
            inside ^= p[0] < x;
        }
        previous = point;
    }
    if inside { -nearest } else { nearest }
}

fn length(v: Point) -> f32 {
    (v[0] * v[0] + v[1] * v[1]).sqrt()
}

/// Points of a quadratic curve from `a` over the handle `b` to `c`.
pub(super) fn curve(a: Point, b: Point, c: Point) -> Vec<Point> {
    const STEPS: usize = 8;
    (0..=STEPS)
        .map(|i| {
            let t = i as f32 / STEPS as f32;
            let (u, v, w) = ((1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t);
            [u * a[0] + v * b[0] + w * c[0], u * a[1] + v * b[1] + w * c[1]]
        })
        .collect()
}

pub(super) fn blend(a: Colour, b: Colour, t: f32) -> Colour {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Coverage summed over pixels is the area.
    #[test]
    fn coverage_sums_to_the_area() {
        let area = |shape: Shape| {
            let mut canvas = Canvas::new(64, 64);
            let frame = Frame::new([31.3, 32.2], 10.0, 0.4);
            canvas.fill(&shape, frame, [255.0; 3], 1.0, Part::Person);
            f64::from(canvas.person.iter().sum::<f32>()) / 100.0
        };
        let close = |found: f64, wanted: f64| (found - wanted).abs() < 0.02 * wanted;
        assert!(close(area(Shape::Ellipse([0.0, 0.1], [2.0, 1.2])), 2.4 * std::f64::consts::PI));
        assert!(close(area(Shape::Block([0.0, 0.0], [1.5, 1.0], 0.0)), 6.0));
        assert!(close(area(Shape::Polygon(vec![[-1.0, -1.0], [2.0, -1.0], [-1.0, 2.0]])), 4.5));
        let stroke = Shape::Stroke(vec![[-1.0, 0.0], [1.0, 0.0]], 0.5);
        assert!(close(area(stroke), 2.0 + 0.25 * std::f64::consts::PI));
        assert!(close(area(Shape::Cap([0.0, 0.0], [1.0, 1.0], 0.0, 0.0)), 0.5 * std::f64::consts::PI));
    }

    #[test]
    fn what_lies_outside_is_not_painted() {
        let mut canvas = Canvas::new(8, 8);
        let frame = Frame::new([-40.0, 90.0], 5.0, 0.0);
        canvas.fill(&Shape::Ellipse([0.0, 0.0], [1.0, 1.0]), frame, [9.0; 3], 1.0, Part::Face);
        assert!(canvas.rgb.iter().flatten().all(|c| *c <= 0.0));
    }
}
