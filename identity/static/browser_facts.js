// Tells the sign-in three coarse facts of this browser: a class of screens, the time zone, the platform.
// They say whether somebody signs in as usual; nothing is drawn, played or measured, and nothing is kept here.
"use strict";

(() => {
  // Screens within this many pixels of each other are alike.
  const STEP = 120;

  const coarse = (length) => Math.max(1, Math.round(length / STEP)) * STEP;

  const FACTS = {
    screen: () => {
      // A telephone may be turned.
      const [long, short] = [coarse(screen.width), coarse(screen.height)].sort((one, other) => other - one);
      return `${long}x${short}@${Math.max(1, Math.round(devicePixelRatio))}`;
    },
    time_zone: () => Intl.DateTimeFormat().resolvedOptions().timeZone,
    platform: () => navigator.userAgentData?.platform || navigator.platform,
  };

  for (const [name, tell] of Object.entries(FACTS)) {
    let fact = "";
    try {
      fact = tell() || "";
    } catch {
      // A browser that does not say it signs in all the same.
    }
    for (const field of document.querySelectorAll(`input[type=hidden][data-browser-fact="${name}"]`)) {
      field.value = fact;
    }
  }
})();
