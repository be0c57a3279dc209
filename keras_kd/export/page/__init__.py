"""A report as data, and the page that shows it."""

from keras_kd.export.page.files import read_report as read_report
from keras_kd.export.page.files import write_report as write_report
from keras_kd.export.page.render import render as render
from keras_kd.export.page.verification import verification_page as verification_page
