// SPDX-License-Identifier: BSL-1.0
#include "timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>

#include "text.hpp"

namespace wordcount {

namespace {

constexpr double width = 1280, left = 152, right = 1160;  // of the picture; of the axis
constexpr std::array<std::string_view, 8> palette{"#4c78a8", "#f58518", "#54a24b", "#b279a2",
                                                  "#e45756", "#72b7b2", "#d4a72c", "#9d755d"};
constexpr std::string_view other_colour = "#a3acb8";

constexpr std::string_view style = R"(
  text { font-family: Inter, "Segoe UI", "Helvetica Neue", "DejaVu Sans", Arial, sans-serif; fill: #1f2933 }
  .title { font-size: 22px; font-weight: 600 }
  .subtitle, .heading { font-size: 13.5px; fill: #52606d }
  .heading { font-weight: 600 }
  .lane { font-size: 12px; text-anchor: end }
  .small { font-size: 11px; fill: #7b8794 }
  .inside { font-size: 10.5px; fill: #ffffff; pointer-events: none }
  .track { fill: #f1f4f8 }
  .grid { stroke: #e1e7ee; stroke-width: 1 }
  .merge { fill: #7b8794 }
  .finish { stroke: #52606d; stroke-width: 1; stroke-dasharray: 4 3 }
  .task { stroke: #ffffff; stroke-width: 0.7 }
  .task:hover { fill-opacity: 0.7 }
)";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// About as wide as the fonts above make it, in units of the font's size.
double text_width(const std::string& text) {
  return 0.58 * static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

class picture {
 public:
  picture(const std::vector<run>& runs) : seconds_(1e-6) {
    std::size_t most_lanes = 1;
    std::map<std::string, std::uint64_t> bytes;
    for (const run& r : runs) {
      seconds_ = std::max(seconds_, r.seconds);
      most_lanes = std::max(most_lanes, r.lanes.size());
    }
    for (const bar& b : runs.front().bars) bytes[b.group] += b.bytes;
    groups_.assign(bytes.begin(), bytes.end());
    std::sort(groups_.begin(), groups_.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    lane_height_ = std::clamp(480.0 / static_cast<double>(most_lanes), 10.0, 34.0);
  }

  std::string draw(const std::string& title, const std::string& subtitle, const std::vector<run>& runs) {
    text(40, 46, "title", title);
    text(40, 70, "subtitle", subtitle);
    legend();
    const double top = y_;
    std::string front =
        std::exchange(body_, {});  // the grid belongs behind the lanes, and its height is known after them
    for (const run& r : runs) draw(r);
    std::string lanes = std::exchange(body_, {});
    axis(top);
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1:.0f}\" viewBox=\"0 0 {0} {1:.0f}\" "
        "role=\"img\">\n"
        "<title>{2}</title>\n<style>{3}</style>\n<rect width=\"100%\" height=\"100%\" "
        "fill=\"#ffffff\"/>\n{4}{5}{6}</svg>\n",
        width, y_ + 40, escaped(title), style, front, body_, lanes);
  }

 private:
  [[nodiscard]] double x(double seconds) const { return left + seconds / seconds_ * (right - left); }

  [[nodiscard]] std::string_view colour(const std::string& group) const {
    const auto found = std::find_if(groups_.begin(), groups_.end(), [&](const auto& g) { return g.first == group; });
    const auto place = static_cast<std::size_t>(found - groups_.begin());
    return place < palette.size() ? palette.at(place) : other_colour;
  }

  template <class... Parts>
  void add(fmt::format_string<Parts...> format, Parts&&... parts) {
    fmt::format_to(std::back_inserter(body_), format, std::forward<Parts>(parts)...);
  }
  void text(double at_x, double at_y, std::string_view kind, const std::string& words) {
    add("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\">{}</text>\n", at_x, at_y, kind, escaped(words));
  }

  void legend() {
    double at = 40;
    y_ = 100;
    const auto entry = [&](std::string_view fill, const std::string& name, std::uint64_t bytes) {
      const std::string label = fmt::format("{}  {:.1f} MB", name, static_cast<double>(bytes) / 1e6);
      const double needed = 18 + 12 * text_width(label) + 22;
      if (at + needed > width - 40) at = 40, y_ += 22;
      add("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"12\" height=\"12\" rx=\"3\" fill=\"{}\"/>", at, y_ - 10, fill);
      add("<text x=\"{:.1f}\" y=\"{:.1f}\" style=\"font-size:12px\">{}</text>\n", at + 18, y_, escaped(label));
      at += needed;
    };
    std::uint64_t rest = 0;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      if (i < palette.size())
        entry(palette.at(i), groups_[i].first, groups_[i].second);
      else
        rest += groups_[i].second;
    }
    if (rest != 0) entry(other_colour, fmt::format("{} others", groups_.size() - palette.size()), rest);
    y_ += 22;
  }

  void draw(const run& r) {
    add("<g class=\"run\">\n");
    y_ += 20;
    text(40, y_, "heading", r.heading);
    y_ += 12;
    const double gap = lane_height_ > 20 ? 6 : 2, top = y_, thin = 10;
    std::vector<double> busy(r.lanes.size());
    const auto lane_top = [&](std::size_t lane) { return top + static_cast<double>(lane) * (lane_height_ + gap); };
    for (std::size_t i = 0; i < r.lanes.size(); ++i) track(lane_top(i), lane_height_, r.lanes[i]);
    for (const bar& b : r.bars) {
      draw(b, lane_top(b.lane));
      busy[b.lane] += b.end - b.begin;
    }
    for (std::size_t i = 0; i < busy.size(); ++i)
      text(right + 10, lane_top(i) + lane_height_ / 2 + 4, "small",
           fmt::format("{:.0f} % busy", 100 * busy[i] / r.seconds));
    y_ = lane_top(r.lanes.size());
    track(y_, thin, "merging");
    for (const auto& [begin, end] : r.merges)
      add("<rect class=\"merge\" x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{}\"/>\n", x(begin), y_ + 1,
          x(end) - x(begin), thin - 2);
    y_ += thin;
    add("<line class=\"finish\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>\n", x(r.seconds), top - 6,
        y_ + 6);
    add("</g>\n");
    y_ += 12;
  }

  void track(double top, double height, const std::string& name) {
    add("<rect class=\"track\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"3\"/>\n", left, top,
        right - left, height);
    text(left - 10, top + height / 2 + 4, "lane", name);
  }

  void draw(const bar& b, double top) {
    const double from = x(b.begin), length = std::max(1.0, x(b.end) - from);
    add("<rect class=\"task\" x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{:.1f}\" rx=\"2\" fill=\"{}\">", from,
        top + 1, length, lane_height_ - 2, colour(b.group));
    add("<title>{}</title></rect>\n", escaped(b.what));
    if (lane_height_ > 16 && 10.5 * text_width(b.group) + 8 < length)
      text(from + 4, top + lane_height_ / 2 + 4, "inside", b.group);
  }

  void axis(double top) {
    const double rough = seconds_ / 8, magnitude = std::pow(10, std::floor(std::log10(rough)));
    double step = 10 * magnitude;
    for (const double factor : {1.0, 2.0, 5.0})
      if (rough <= factor * magnitude) {
        step = factor * magnitude;
        break;
      }
    for (int i = 0; i * step <= seconds_ * 1.0001; ++i) {
      const double at = i * step;
      add("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>\n", x(at), top, y_ + 4);
      add("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"small\" text-anchor=\"middle\">{}</text>\n", x(at), y_ + 20,
          seconds_ < 0.5 ? fmt::format("{:g} ms", 1000 * at) : fmt::format("{:g} s", at));
    }
  }

  double seconds_;
  double lane_height_ = 0;
  double y_ = 0;
  std::string body_;
  std::vector<std::pair<std::string, std::uint64_t>> groups_;  // the largest first
};

}  // namespace

std::string draw_timeline(const std::string& title, const std::string& subtitle, const std::vector<run>& runs) {
  return picture(runs).draw(title, subtitle, runs);
}

}  // namespace wordcount
