//! Draws the person: from the back of the hair to the hand in front.
//!
//! Units are half-heights of the face, with the face's centre as origin; y points down. The expression of strength s
//! moves, in these units: corners of the mouth up by 0.24 s, its width by 0.09 s, inner ends of the brows up by 0.15 s
//! below zero and all of the brows above, opening of the eyes, cheeks, shoulders, and beyond ±0.7 a hand.

use super::canvas::{Canvas, Colour, Frame, Part, Point, Shape, blend, curve};
use super::expression::Pose;
use crate::speaker::{Collar, HairStyle, Look};

/// Where a person stands and how the light falls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) centre: Point,
    pub(super) radius: f32,
    /// Side from which the light comes, −1 to 1.
    pub(super) light: f32,
    /// Whether a hand accompanies strong expressions, and which.
    pub(super) gesture: Option<f32>,
}

/// Draws a person into the picture and its masks.
pub(super) fn draw(canvas: &mut Canvas, look: &Look, place: Place, pose: &Pose) {
    let centre = [place.centre[0] + pose.shift[0], place.centre[1] + pose.shift[1]];
    let body = Frame::new(centre, place.radius, pose.roll * 0.3);
    let head = Frame::new(centre, place.radius, pose.roll);
    let mut sketch = Sketch { canvas, look, place, pose };
    sketch.hair_behind(head);
    sketch.torso(body);
    sketch.skull(head);
    sketch.cheeks(head);
    for side in [-1.0, 1.0] {
        sketch.eye(head, side);
        sketch.brow(head, side);
    }
    sketch.nose(head);
    sketch.mouth(head);
    sketch.hair_in_front(head);
    if look.has_glasses {
        sketch.glasses(head);
    }
    sketch.hand(body);
}

impl Pose {
    /// Where a feature of the face lies when the head turns and nods.
    fn turned(&self, x: f32, y: f32) -> Point {
        let yaw = self.yaw;
        [x * (1.0 - 0.12 * yaw.abs()) + 0.24 * yaw * (1.0 - 0.4 * x * x), y + self.pitch]
    }
}

struct Sketch<'a> {
    canvas: &'a mut Canvas,
    look: &'a Look,
    place: Place,
    pose: &'a Pose,
}

impl Sketch<'_> {
    fn fill(&mut self, shape: &Shape, frame: Frame, colour: Colour, alpha: f32) {
        self.canvas.fill(shape, frame, colour, alpha, Part::Person);
    }

    fn shade(&self, colour: Colour, x: f32) -> Colour {
        let lit = (self.place.light * x).clamp(-1.0, 1.0);
        colour.map(|c| c * (1.0 + 0.17 * lit))
    }

    fn hair_behind(&mut self, head: Frame) {
        let (look, w) = (self.look, self.look.face_width);
        let dark = look.hair.map(|c| c * 0.8);
        match look.hair_style {
            HairStyle::Long => {
                self.fill(&Shape::Ellipse([0.0, 0.25], [w + 0.30, 1.42]), head, dark, 1.0);
            }
            HairStyle::Bun => {
                self.fill(&Shape::Ellipse([-0.1, -1.22], [0.34, 0.30]), head, dark, 1.0);
                self.fill(&Shape::Ellipse([0.0, -0.15], [w + 0.12, 1.05]), head, dark, 1.0);
            }
            _ => self.fill(&Shape::Ellipse([0.0, -0.2], [w + 0.09, 0.98]), head, dark, 1.0),
        }
    }

    fn torso(&mut self, body: Frame) {
        let look = self.look;
        // Shoulders rise with a positive and sink with a negative expression.
        let top = 1.62 - 0.10 * self.pose.strength;
        let w = look.shoulders;
        let (light, clothes) = (self.place.light, look.clothes);
        let chest = Shape::Ellipse([0.0, top + 1.6], [w, 1.6]);
        self.canvas.paint(&chest, body, 1.0, 1.0, Part::Person, |p| {
            let shade = 1.0 + 0.2 * (light * p[0] / w).clamp(-1.0, 1.0) - 0.06 * (p[1] - top);
            clothes.map(|c| c * shade)
        });
        let skin = self.shade(look.skin, 0.0).map(|c| c * 0.84);
        self.fill(&Shape::Block([0.0, 1.25], [0.32, 0.55], 0.12), body, skin, 1.0);
        match look.collar {
            Collar::Round => {
                self.fill(&Shape::Ellipse([0.0, top + 0.05], [0.42, 0.22]), body, skin, 1.0);
                let rim = curve([-0.42, top + 0.06], [0.0, top + 0.44], [0.42, top + 0.06]);
                self.fill(&Shape::Stroke(rim, 0.05), body, look.trim, 1.0);
            }
            Collar::Open => {
                let neck = vec![[-0.36, top - 0.05], [0.36, top - 0.05], [0.0, top + 0.62]];
                self.fill(&Shape::Polygon(neck), body, skin, 1.0);
                for side in [-1.0, 1.0] {
                    let flap = vec![[side * 0.36, top - 0.08], [0.0, top + 0.66]];
                    self.fill(&Shape::Stroke(flap, 0.075), body, look.trim, 1.0);
                }
            }
            Collar::Scarf => {
                self.fill(&Shape::Ellipse([0.0, top], [0.62, 0.27]), body, look.trim, 1.0);
                let fold = curve([-0.5, top - 0.02], [0.0, top + 0.3], [0.5, top - 0.02]);
                self.fill(&Shape::Stroke(fold, 0.03), body, look.trim.map(|c| c * 0.75), 1.0);
            }
        }
    }

    fn skull(&mut self, head: Frame) {
        let (skin, w) = (self.look.skin, self.look.face_width);
        for side in [-1.0, 1.0] {
            let ear = [side * (w - 0.02) - 0.12 * self.pose.yaw, 0.02 + self.pose.pitch * 0.4];
            let colour = self.shade(skin, side).map(|c| c * 0.9);
            self.fill(&Shape::Ellipse(ear, [0.11, 0.2]), head, colour, 1.0);
        }
        let (light, face) = (self.place.light, Shape::Ellipse([0.0, 0.0], [w, 1.0]));
        self.canvas.paint(&face, head, 1.0, 1.0, Part::Face, |p| {
            let lit = 0.17 * (light * p[0] / w).clamp(-1.0, 1.0);
            let edge = (p[0] / w) * (p[0] / w) + p[1] * p[1];
            skin.map(|c| c * (1.0 + lit - 0.10 * edge))
        });
    }

    fn cheeks(&mut self, head: Frame) {
        let pose = self.pose;
        let s = pose.strength;
        let red = blend(self.look.skin, [226.0, 98.0, 96.0], 0.55);
        for side in [-1.0, 1.0] {
            let at = pose.turned(side * 0.43, 0.30 - 0.05 * s.max(0.0));
            let cheek = Shape::Ellipse(at, [0.17, 0.13]);
            self.canvas.paint(&cheek, head, 0.65 * s.max(0.0), 8.0, Part::Person, |_| red);
            if s > 0.15 {
                // The fold from nose to mouth that a smile draws.
                let [a, b, c] =
                    [[0.20, 0.22], [0.36, 0.30], [0.42, 0.48]].map(|p| pose.turned(side * p[0], p[1]));
                let fold = Shape::Stroke(curve(a, b, c), 0.016);
                let dark = self.look.skin.map(|c| c * 0.68);
                self.fill(&fold, head, dark, (1.1 * s).min(0.9));
            }
        }
    }

    fn eye(&mut self, head: Frame, side: f32) {
        let (look, pose) = (self.look, self.pose);
        let s = pose.strength;
        let centre = pose.turned(side * look.eye_distance, -0.14);
        // Wide when the brows rise, narrow in a frown; a broad smile pushes the lower lid up.
        let ease = 1.0 + 0.18 * s - 0.22 * (-s).max(0.0);
        let open = (0.62 * look.eye_size * ease * pose.lids).max(0.012);
        let width = look.eye_size * 1.12;
        if pose.lids < 0.25 {
            let lid = curve(
                [centre[0] - width, centre[1]],
                [centre[0], centre[1] + 0.09],
                [centre[0] + width, centre[1]],
            );
            self.fill(&Shape::Stroke(lid, 0.022), head, look.skin.map(|c| c * 0.45), 1.0);
            return;
        }
        self.fill(&Shape::Ellipse(centre, [width, open]), head, [246.0, 244.0, 240.0], 1.0);
        let iris = open.min(look.eye_size * 0.56);
        let at = [centre[0] + 0.35 * look.eye_size * pose.gaze, centre[1]];
        self.fill(&Shape::Ellipse(at, [look.eye_size * 0.52, iris]), head, look.iris, 1.0);
        self.fill(&Shape::Ellipse(at, [look.eye_size * 0.26, iris * 0.55]), head, [12.0; 3], 1.0);
        let glint = [at[0] - 0.02, at[1] - 0.03];
        self.fill(&Shape::Ellipse(glint, [0.018, 0.018]), head, [255.0; 3], 0.9);
        let lash = curve(
            [centre[0] - width, centre[1]],
            [centre[0], centre[1] - 2.0 * open],
            [centre[0] + width, centre[1]],
        );
        self.fill(&Shape::Stroke(lash, 0.02), head, [36.0, 28.0, 26.0], 1.0);
    }

    fn brow(&mut self, head: Frame, side: f32) {
        let pose = self.pose;
        let s = pose.strength;
        let (up, down) = (s.max(0.0), (-s).max(0.0));
        let x = self.look.eye_distance;
        // A frown lowers the inner ends and draws them together; joy raises the arch.
        let [inner, arch, outer] = [
            [x - 0.17 - 0.06 * down, -0.40 - 0.12 * up + 0.17 * down],
            [x + 0.02, -0.47 - 0.20 * up - 0.02 * down],
            [x + 0.22, -0.38 - 0.09 * up - 0.07 * down],
        ]
        .map(|p| pose.turned(side * p[0], p[1]));
        let brow = Shape::Stroke(curve(inner, arch, outer), self.look.brow_width * (1.0 + 0.15 * down));
        let colour = blend(self.look.hair, [30.0, 22.0, 20.0], 0.5);
        self.fill(&brow, head, colour, 1.0);
        if s < -0.2 {
            let crease = [[0.045, -0.36], [0.055, -0.20]].map(|p| pose.turned(side * p[0], p[1])).to_vec();
            let dark = self.look.skin.map(|c| c * 0.6);
            self.fill(&Shape::Stroke(crease, 0.016), head, dark, (1.2 * down).min(1.0));
        }
    }

    fn nose(&mut self, head: Frame) {
        let dark = self.look.skin.map(|c| c * 0.72);
        let pose = self.pose;
        let yaw = pose.yaw;
        let bridge = [[0.03 + 0.05 * yaw, -0.10], [0.07 + 0.12 * yaw, 0.14]].map(|p| pose.turned(p[0], p[1]));
        self.fill(&Shape::Stroke(bridge.to_vec(), 0.016), head, dark, 0.55);
        let [a, b, c] =
            [[-0.11, 0.18], [0.02, 0.28], [0.12, 0.18]].map(|p| pose.turned(p[0] + 0.06 * yaw, p[1]));
        self.fill(&Shape::Stroke(curve(a, b, c), 0.022), head, dark, 0.9);
    }

    fn mouth(&mut self, head: Frame) {
        let (look, pose) = (self.look, self.pose);
        let s = pose.strength;
        let (up, down) = (s.max(0.0), (-s).max(0.0));
        let half = look.mouth_width + 0.11 * up - 0.03 * down;
        let middle = 0.52 + 0.02 * up - 0.02 * down;
        // The corners go up or down against the middle.
        let corner = middle - 0.24 * s;
        let smile_gap = (up - 0.62).max(0.0) * 0.34;
        let gap = smile_gap + pose.speech * (0.10 - 0.03 * down);
        let [left, right] = [pose.turned(-half, corner), pose.turned(half, corner)];
        // The handle of a quadratic curve lies twice as far out as its middle.
        let lip = |y: f32| pose.turned(0.0, 2.0 * y - corner);
        let upper = middle + 0.10 * s - 0.3 * gap - 0.03;
        let lower = middle + 0.10 * s + 0.7 * gap + 0.03;
        let outline = |top: f32, bottom: f32| {
            let mut points = curve(left, lip(top), right);
            points.extend(curve(right, lip(bottom), left));
            Shape::Polygon(points)
        };
        let inside = [70.0, 22.0, 26.0];
        self.fill(&outline(upper - 0.035, lower + 0.06), head, look.lips, 1.0);
        self.fill(&outline(upper + 0.02, lower - 0.005), head, inside, 1.0);
        if smile_gap > 0.01 {
            // Teeth under the upper lip.
            let reach = |p: Point, q: Point| [p[0] + (q[0] - p[0]) * 0.12, p[1] + 0.01];
            let (a, b) = (reach(left, right), reach(right, left));
            let mut teeth = curve(a, lip(upper + 0.03), b);
            teeth.extend(curve(b, lip(upper + 0.03 + 0.45 * gap), a));
            self.fill(&Shape::Polygon(teeth), head, [248.0, 246.0, 240.0], 1.0);
        }
        let line = Shape::Stroke(curve(left, lip(0.5 * (upper + lower)), right), 0.02);
        if gap < 0.03 {
            self.fill(&line, head, [84.0, 34.0, 34.0], 1.0);
        }
        if down > 0.2 {
            // Lines from the corners down, and the shadow under the lower lip.
            for side in [-1.0, 1.0] {
                let fold = [[side * (half + 0.03), corner + 0.02], [side * (half + 0.06), corner + 0.15]]
                    .map(|p| pose.turned(p[0], p[1]));
                let dark = look.skin.map(|c| c * 0.62);
                self.fill(&Shape::Stroke(fold.to_vec(), 0.018), head, dark, down.min(0.9));
            }
        }
    }

    fn hair_in_front(&mut self, head: Frame) {
        let (hair, w, yaw) = (self.look.hair, self.look.face_width, self.pose.yaw);
        let tint = self.shade(hair, 0.0);
        let crown = |line: f32, slope: f32| Shape::Cap([0.0, -0.12], [w + 0.08, 1.0], line, slope);
        match self.look.hair_style {
            HairStyle::Short => self.fill(&crown(-0.70, 0.05 + 0.1 * yaw), head, tint, 1.0),
            HairStyle::Parted => {
                self.fill(&crown(-0.72, 0.30), head, tint, 1.0);
                self.fill(&crown(-0.78, -0.18), head, tint, 1.0);
            }
            HairStyle::Receding => self.fill(&crown(-0.82, 0.08 * yaw), head, tint, 1.0),
            HairStyle::Bun => self.fill(&crown(-0.74, 0.12 * yaw), head, tint, 1.0),
            HairStyle::Long => {
                self.fill(&crown(-0.72, -0.14), head, tint, 1.0);
                for side in [-1.0, 1.0] {
                    let strand =
                        curve([side * 0.62, -0.72], [side * (w + 0.14), -0.1], [side * (w + 0.10), 0.9]);
                    self.fill(&Shape::Stroke(strand, 0.10), head, tint, 1.0);
                }
            }
        }
    }

    fn glasses(&mut self, head: Frame) {
        let (pose, frame) = (self.pose, [40.0, 38.0, 42.0]);
        for side in [-1.0, 1.0] {
            let c = pose.turned(side * self.look.eye_distance, -0.12);
            let ring: Vec<Point> = (0..=16)
                .map(|i| {
                    let angle = f64::from(i) / 16.0 * std::f64::consts::TAU;
                    [c[0] + 0.235 * libm::cos(angle) as f32, c[1] + 0.195 * libm::sin(angle) as f32]
                })
                .collect();
            self.fill(&Shape::Stroke(ring, 0.016), head, frame, 0.9);
        }
        let bridge = [pose.turned(-0.12, -0.14), pose.turned(0.12, -0.14)].to_vec();
        self.fill(&Shape::Stroke(bridge, 0.016), head, frame, 0.9);
    }

    /// Beyond ±0.7 a hand: waved beside the head in joy, held to the forehead's side in distress.
    fn hand(&mut self, body: Frame) {
        let Some(side) = self.place.gesture else { return };
        let s = self.pose.strength;
        if s.abs() < 0.7 {
            return;
        }
        let skin = self.shade(self.look.skin, side);
        let edge = skin.map(|c| c * 0.82);
        let sleeve = self.look.clothes.map(|c| c * 0.88);
        let (wrist, palm, spread) = if s > 0.0 {
            let x = side * (1.45 + 0.10 * self.pose.wave);
            ([side * 1.42, 1.05], [x, 0.55], 0.12)
        } else {
            let x = side * (self.look.face_width + 0.10);
            ([side * 1.15, 0.85], [x, -0.38 + 0.02 * self.pose.wave], 0.05)
        };
        let arm = curve([side * 1.35, 2.4], [side * 1.75, 1.7], wrist);
        self.fill(&Shape::Stroke(arm, 0.26), body, sleeve, 1.0);
        self.fill(&Shape::Stroke(vec![wrist, palm], 0.13), body, edge, 1.0);
        self.fill(&Shape::Ellipse(palm, [0.22, 0.25]), body, skin, 1.0);
        for finger in 0..4 {
            let at = finger as f32 - 1.5;
            let root = [palm[0] + 0.11 * at, palm[1] - 0.16];
            let tip = [root[0] + spread * at, root[1] - 0.30];
            self.fill(&Shape::Stroke(vec![root, tip], 0.056), body, skin, 1.0);
        }
    }
}
