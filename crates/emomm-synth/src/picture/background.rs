//! What is behind the person: a cluttered room or street that pans, with things that move, and changing light.

use super::canvas::{Canvas, Colour, Frame, Part, Shape, blend};
use crate::draw::Draw;

/// Pixels painted beyond each border, so that the camera can shake.
const MARGIN: usize = 12;

/// The still part, painted once, and the moving things.
#[derive(Debug)]
pub(super) struct Background {
    still: Canvas,
    moving: Vec<Moving>,
}

#[derive(Debug)]
struct Moving {
    shape: Shape,
    colour: Colour,
    from: [f32; 2],
    velocity: [f32; 2],
    angle: f32,
    scale: f32,
}

impl Background {
    pub(super) fn draw(draw: &mut Draw, width: usize, height: usize) -> Self {
        let mut still = Canvas::new(width + 2 * MARGIN, height + 2 * MARGIN);
        let base = [0; 3].map(|_| draw.between_f32(70.0, 185.0));
        gradient(draw, &mut still, base);
        let n_things = 14 + draw.below(10);
        for _ in 0..n_things {
            let (shape, scale) = thing(draw);
            let at = [draw.between_f32(0.0, still.width as f32), draw.between_f32(0.0, still.height as f32)];
            let frame = Frame::new(at, scale, draw.between_f32(-0.4, 0.4));
            let colour = tinted(draw, base);
            still.fill(&shape, frame, colour, draw.between_f32(0.5, 0.95), Part::Background);
        }
        texture(draw, &mut still);
        let moving = (0..2 + draw.below(3))
            .map(|_| {
                let (shape, scale) = thing(draw);
                Moving {
                    shape,
                    colour: tinted(draw, base),
                    from: [draw.between_f32(0.0, width as f32), draw.between_f32(0.0, height as f32)],
                    velocity: [draw.between_f32(-28.0, 28.0), draw.between_f32(-8.0, 8.0)],
                    angle: draw.between_f32(-0.5, 0.5),
                    scale: scale * 0.7,
                }
            })
            .collect();
        Self { still, moving }
    }

    /// Fills `canvas`, seen from a camera that is off by `shake` pixels.
    pub(super) fn paint(&self, canvas: &mut Canvas, shake: [f32; 2], seconds: f32) {
        let limit = MARGIN as f32 - 1.0;
        let [dx, dy] = shake.map(|s| s.clamp(-limit, limit) + MARGIN as f32);
        let (x0, y0) = (dx.floor(), dy.floor());
        let (fx, fy) = (dx - x0, dy - y0);
        let (x0, y0, stride) = (x0 as usize, y0 as usize, self.still.width);
        for y in 0..canvas.height {
            let row = (y + y0) * stride + x0;
            for x in 0..canvas.width {
                let at = row + x;
                let above = blend(self.still.rgb[at], self.still.rgb[at + 1], fx);
                let below = blend(self.still.rgb[at + stride], self.still.rgb[at + stride + 1], fx);
                canvas.rgb[y * canvas.width + x] = blend(above, below, fy);
            }
        }
        for thing in &self.moving {
            let at = [
                thing.from[0] + thing.velocity[0] * seconds - shake[0],
                thing.from[1] + thing.velocity[1] * seconds - shake[1],
            ];
            let frame = Frame::new(at, thing.scale, thing.angle);
            canvas.fill(&thing.shape, frame, thing.colour, 0.85, Part::Background);
        }
    }
}

fn gradient(draw: &mut Draw, canvas: &mut Canvas, base: Colour) {
    let far = base.map(|c| c + draw.between_f32(-35.0, 35.0));
    let slope = draw.between_f32(-0.5, 0.5);
    for y in 0..canvas.height {
        for x in 0..canvas.width {
            let across = x as f32 / canvas.width as f32 - 0.5;
            let t = (y as f32 / canvas.height as f32 + slope * across).clamp(0.0, 1.0);
            canvas.rgb[y * canvas.width + x] = blend(base, far, t);
        }
    }
}

/// Near the base colour: contrast stays moderate.
fn tinted(draw: &mut Draw, base: Colour) -> Colour {
    base.map(|c| (c + draw.between_f32(-58.0, 58.0)).clamp(15.0, 240.0))
}

/// Something that could stand in a room, and its size in pixels.
fn thing(draw: &mut Draw) -> (Shape, f32) {
    let (w, h) = (draw.between_f32(0.5, 1.6), draw.between_f32(0.5, 1.8));
    let shape = match draw.below(4) {
        0 => Shape::Ellipse([0.0, 0.0], [w, h]),
        1 => Shape::Stroke(vec![[-w, 0.0], [0.3, h * 0.5], [w, -0.3]], 0.12),
        _ => Shape::Block([0.0, 0.0], [w, h], 0.08),
    };
    (shape, draw.between_f32(10.0, 36.0))
}

/// Smooth noise of two sizes.
fn texture(draw: &mut Draw, canvas: &mut Canvas) {
    for (cell, amount) in [(24.0f32, 9.0f32), (7.0, 4.0)] {
        let columns = (canvas.width as f32 / cell) as usize + 2;
        let rows = (canvas.height as f32 / cell) as usize + 2;
        let grid: Vec<f32> = (0..columns * rows).map(|_| draw.between_f32(-amount, amount)).collect();
        for y in 0..canvas.height {
            let v = y as f32 / cell;
            let (j, fy) = (v as usize, v - v.floor());
            for x in 0..canvas.width {
                let u = x as f32 / cell;
                let (i, fx) = (u as usize, u - u.floor());
                let at = j * columns + i;
                let above = grid[at] + (grid[at + 1] - grid[at]) * fx;
                let below = grid[at + columns] + (grid[at + columns + 1] - grid[at + columns]) * fx;
                let value = above + (below - above) * fy;
                for c in &mut canvas.rgb[y * canvas.width + x] {
                    *c += value;
                }
            }
        }
    }
}
